package surge

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestStorm sends a crowd to a shop that does its best, and to one that fails half of the time.
func TestStorm(t *testing.T) {
	for name, every := range map[string]int{"well": 0, "ill": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRoom(t, 0, 60)
				defer f.stop()
				f.open = true
				f.fault = func(_ string, n int, w http.ResponseWriter) bool {
					if every == 0 || n%every != 0 {
						return false
					}
					w.WriteHeader(http.StatusServiceUnavailable)
					return true
				}
				o := f.options(people)
				o.Shop = o.URL + "/shop"
				log, err := Storm(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				var orders, fails int64
				for second, s := range log.Seconds {
					orders += s.Orders
					fails += s.ShopFails
					if s.Orders > 0 && time.Duration(second+1)*time.Second < log.OnSale {
						t.Errorf("%d orders in second %d, before the on-sale", s.Orders, second)
					}
				}
				if orders != people || (fails > 0) != (every > 0) || log.Interrupted {
					t.Errorf("%d orders, %d fails, interrupted %v", orders, fails, log.Interrupted)
				}
			})
		})
	}
}

// TestStormGivesUp has a shop that never answers in time.
func TestStormGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 0, 60)
		defer f.stop()
		f.fault = func(string, int, http.ResponseWriter) bool { panic(http.ErrAbortHandler) }
		o := f.options(20)
		o.Shop = o.URL + "/shop"
		log, err := Storm(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range log.Visitors {
			if v := &log.Visitors[i]; v.Outcome != Waiting || v.Ordered != Never {
				t.Errorf("visitor %d: %+v", i, v)
			}
		}
		if most := endurance + o.Over + time.Minute; log.Ended < endurance || log.Ended > most {
			t.Errorf("ended after %v", log.Ended)
		}
	})
}

func TestStormIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeRoom(t, 0, 60)
		defer f.stop()
		f.open = true
		o := f.options(people)
		o.Shop = o.URL + "/shop"
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		log, err := Storm(ctx, o)
		if err != nil || !log.Interrupted || log.Ended > 8*time.Second {
			t.Errorf("%v, interrupted %v after %v", err, log.Interrupted, log.Ended)
		}
	})
}
