package surge

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func goodReport() *Report {
	log := goodLog()
	log.JoinLatency = hdrhistogram.New(1, 60_000_000, 3)
	for i := range int64(100) {
		log.JoinLatency.RecordValue(1000 * (i + 1))
	}
	return NewReport(log, Judge(log), Services{ShopCapacity: 700}, nil)
}

// Whatever became of them, everybody is counted once.
func TestReportAccountsForEverybody(t *testing.T) {
	ended := time.Minute
	visitor := func(change func(*Visitor)) Visitor {
		v := Visitor{Asked: Never, Joined: Never, Called: Never, Admitted: Never, Ordered: Never, Cohort: NoCohort}
		change(&v)
		return v
	}
	tests := []struct {
		name string
		Visitor
		count func(Crowd) int64
	}{
		{"not arrived", visitor(func(v *Visitor) { v.Arrives = 2 * ended }), func(c Crowd) int64 { return c.Expected }},
		{"asking", visitor(func(v *Visitor) {}), func(c Crowd) int64 { return c.Asking }},
		{"in line", visitor(func(v *Visitor) { v.Cohort = 0 }), func(c Crowd) int64 { return c.InLine }},
		{"at the door", visitor(func(v *Visitor) { v.Cohort, v.Called = 0, 1 }), func(c Crowd) int64 { return c.AtDoor }},
		{"no-show", visitor(func(v *Visitor) { v.Cohort, v.NoShow = 0, true }), func(c Crowd) int64 { return c.NoShows }},
		{"admitted", visitor(func(v *Visitor) { v.Cohort, v.Admitted, v.Outcome = 0, 1, InShop }), func(c Crowd) int64 { return c.Admitted }},
		{"expired", visitor(func(v *Visitor) { v.Cohort, v.Outcome = 0, Expired }), func(c Crowd) int64 { return c.Expired }},
		{"turned away", visitor(func(v *Visitor) { v.Outcome = SoldOut }), func(c Crowd) int64 { return c.TurnedAway }},
		{"rejected", visitor(func(v *Visitor) { v.Cohort, v.Outcome = 0, Rejected }), func(c Crowd) int64 { return c.Rejected }},
	}
	log := &Log{Ended: ended, Rate: goodRate}
	for _, test := range tests {
		log.Visitors = append(log.Visitors, test.Visitor)
	}
	c := NewReport(log, Judge(log), Services{}, nil).Crowd
	for _, test := range tests {
		if n := test.count(c); n != 1 {
			t.Errorf("%s: %d of one", test.name, n)
		}
	}
	sum := c.Expected + c.Asking + c.InLine + c.AtDoor + c.NoShows + c.Admitted + c.Expired + c.TurnedAway + c.Rejected
	if sum != c.Visitors || c.Visitors != int64(len(tests)) {
		t.Errorf("%d are accounted for, of %d", sum, c.Visitors)
	}
}

func TestReportAsText(t *testing.T) {
	var text strings.Builder
	if err := goodReport().WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"All 13 promises were kept.\n", "visitors  1,100", "let in    880", "p50 50.0, p90 90.0, p99 99.0, max 100.0 ms",
		"cap           kept", "busiest second  100 joins, -0:09 from the on-sale", "raise                          no quota",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, text.String())
		}
	}
}

func TestReportSaysWhatIsBroken(t *testing.T) {
	log := goodLog()
	log.Broken, log.Interrupted = []string{"visitor 3 was told two places"}, true
	r := NewReport(log, Judge(log), Services{}, nil)
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(text.String(), "\n")
	if r.Kept || first != "Interrupted after 1:42. BROKEN: consistent." || !strings.Contains(text.String(), "  visitor 3 was told two places\n") {
		t.Errorf("%v: %s", r.Kept, text.String())
	}
}

// The names of the JSON's fields are part of the command's interface.
func TestReportAsJSON(t *testing.T) {
	var document bytes.Buffer
	if err := goodReport().WriteJSON(&document); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(document.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{
		"kept": true, "rate": 600.0, "crowd.visitors": 1100.0, "crowd.admitted": 880.0, "joins.peak_per_second": 100.0,
		"joins.latency_ms.p50": 50.015, "shop.orders": 880.0, "forecast.plan.shards": 16.0, "services.shop_capacity": 700.0,
	} {
		var got any = fields
		for name := range strings.SplitSeq(path, ".") {
			object, _ := got.(map[string]any)
			got = object[name]
		}
		if got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	promises, _ := fields["promises"].([]any)
	var names []string
	for _, p := range promises {
		name, _ := p.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	want := []string{Distinct, Complete, NobodyLost, CohortOrder, OwnPlace, Draw, InTurn, CapHeld, RateReached, FewRefusals, NoGaps, Forward, Consistent}
	if !slices.Equal(names, want) {
		t.Errorf("the promises are %v", names)
	}
}

func TestChart(t *testing.T) {
	log, without := goodLog(), goodLog()
	full := NewReport(log, Judge(log), Services{ShopCapacity: 700}, without)
	empty := NewReport(&Log{Rate: goodRate}, Judge(&Log{Rate: goodRate}), Services{}, nil)
	tests := []struct {
		name   string
		report *Report
		want   []string
	}{
		{"of a sale", full, []string{"1,100 people, let in at 600 a minute", "Joins a second", "called so far", "rate set by the promoter",
			"with the room", "the same crowd without it", "the shop&#39;s capacity", ">-0:10<", ">1:30<", ">1,000<"}},
		{"of nothing", empty, []string{"0 people", "Admissions a minute"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var document bytes.Buffer
			if err := test.report.WriteSVG(&document); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !bytes.Contains(document.Bytes(), []byte(want)) {
					t.Errorf("the chart does not show %q", want)
				}
			}
			decoder := xml.NewDecoder(&document)
			for {
				_, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	var picture bytes.Buffer
	if err := empty.WritePNG(&picture); err != nil {
		t.Fatal(err)
	}
	if image, err := png.Decode(&picture); err != nil || image.Bounds().Dx() != chartWidth*chartDPI/72 {
		t.Errorf("the picture: %v", err)
	}
}

// A sale of hours has more seconds than a chart has room for.
func TestCurveOfALongSale(t *testing.T) {
	log := &Log{Rate: goodRate, Seconds: make([]Second, 10*mostBins+1)}
	for i := range log.Seconds {
		log.Seconds[i].Admitted = 10
	}
	points := log.perMinute(func(s Second) int64 { return s.Admitted })
	if len(points) == 0 || len(points) > mostBins {
		t.Errorf("%d points", len(points))
	}
	for _, p := range points {
		if p.Y != 600 {
			t.Fatalf("%v a minute at %v, where 10 a second came", p.Y, p.X)
		}
	}
}

func TestFiguresForPeople(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{grouped(0), "0"}, {grouped(999), "999"}, {grouped(1000), "1,000"}, {grouped(-1234567), "-1,234,567"},
		{figure(3), "3"}, {figure(0.456), "0.46"}, {figure(45.67), "45.7"}, {figure(12345.6), "12,346"},
		{clock(-10 * time.Second), "-0:10"}, {clock(-400 * time.Millisecond), "0:00"}, {clock(59600 * time.Millisecond), "1:00"}, {clock(3661 * time.Second), "1:01:01"},
		{percent(1, 1000), "0.100 %"}, {percent(0, 0), "none"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestProgress(t *testing.T) {
	var lines strings.Builder
	p := NewProgress(&lines)
	for second := range 12 {
		p.OnSecond(second, Second{Arrivals: 1000, Joins: 900, Refused: 100, Admitted: 10, Waiting: int64(900 * (second + 1))})
	}
	want := "    0:05  arrived 5,000, joining 900/s, refused 100/s, in line 4,500, let in 50\n" +
		"    0:10  arrived 10,000, joining 900/s, refused 100/s, in line 9,000, let in 100\n"
	if lines.String() != want {
		t.Errorf("%q, want %q", lines.String(), want)
	}
}
