package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/errgroup"

	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

// half is how many visitors come before the on-sale, and how many after it.
const half = 1000

// TestTwoThousandVisitors is a whole sale over HTTP. The promoter moves the on-sale to now when
// the pool is full, so the test does not depend on how fast the machine is.
func TestTwoThousandVisitors(t *testing.T) {
	const rate = 6000
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(time.Minute), rate)
	r.await(ctx, t, "that the pre-queue is open", func(s room.Status) bool { return s.Phase == room.PreQueue })

	early, late := r.crowd(half), r.crowd(half)
	visits, ctx := errgroup.WithContext(ctx)
	var joined sync.WaitGroup
	for _, v := range early {
		joined.Add(1)
		visits.Go(func() error {
			err := v.join(ctx)
			joined.Done()
			if err != nil {
				return err
			}
			return v.proceed(ctx)
		})
	}
	joined.Wait()
	r.set(t, "demo", "onsale", time.Now().UTC().Format(time.RFC3339))
	r.await(ctx, t, "that the pool is sealed", func(s room.Status) bool { return s.Sealed >= 1 })
	t.Log("the pool is sealed")

	arrival := time.NewTicker(10 * time.Second / half)
	defer arrival.Stop()
	for _, v := range late {
		<-arrival.C
		visits.Go(func() error { return v.visit(ctx) })
	}
	if err := visits.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Log("everyone is in the shop")

	ctx = t.Context()
	all := slices.Concat(early, late)
	status, err := r.status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seals := r.seals(ctx, t, status)
	t.Run("positions", func(t *testing.T) { checkPositions(t, all, seals) })
	t.Run("the pool is drawn at random", func(t *testing.T) { checkDraw(t, early) })
	t.Run("later cohorts are in order", func(t *testing.T) { checkOrder(t, late) })
	t.Run("admissions keep to the cap", func(t *testing.T) { checkCap(t, r.windows(ctx, t), rate, int64(len(all))) })
	t.Run("passes are good", func(t *testing.T) { checkPasses(t, r.passKeys(ctx, t), r, all) })
	t.Run("the log keeps secrets", func(t *testing.T) { checkLog(t, r.log.all(), all) })
	t.Run("the draw can be checked", func(t *testing.T) {
		r.set(t, "demo", "state", "closed")
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		closed := r.await(ctx, t, "what the draw key was", func(s room.Status) bool { return s.DrawKey != "" })
		checkSeeds(t, closed, status.Commit, r.seals(ctx, t, closed))
	})
}

func (r *opened) crowd(n int) []*visitor {
	crowd := make([]*visitor, n)
	for i := range crowd {
		crowd[i] = r.visitor()
	}
	return crowd
}

// seals reads all that the status counts.
func (r *opened) seals(ctx context.Context, t *testing.T, status room.Status) []room.Seal {
	t.Helper()
	var seals []room.Seal
	for cohort := range status.Sealed {
		seal, err := r.seal(ctx, status.Run, cohort)
		if err != nil {
			t.Fatal(err)
		}
		seals = append(seals, seal)
	}
	return seals
}

// checkPositions computes every place from the published seals: nobody shares one and none is left
// out, the pool comes first, and everybody found the same place alone.
func checkPositions(t *testing.T, all []*visitor, seals []room.Seal) {
	owner := map[int64]string{}
	for i, v := range all {
		if early := i < half; early != (v.seat.Cohort == 0) {
			t.Fatalf("visitor %d is in cohort %d", i, v.seat.Cohort)
		}
		position, err := seals[v.seat.Cohort].Position(v.seat.Shard, v.seat.Seq)
		switch {
		case err != nil:
			t.Fatalf("visitor %d: %v", i, err)
		case position != v.position:
			t.Fatalf("visitor %d found place %d and has %d", i, v.position, position)
		case position < 1 || position > int64(len(all)):
			t.Fatalf("visitor %d has place %d of %d", i, position, len(all))
		case owner[position] != "":
			t.Fatalf("%s and %s have place %d", v.seat.Visitor, owner[position], position)
		case i < half && position > half:
			t.Fatalf("visitor %d was in the pool and has place %d", i, position)
		}
		owner[position] = v.seat.Visitor
	}
}

// checkDraw compares places with the order of joining by Spearman's rank correlation, whose
// standard deviation is 0.03 for a thousand random places.
func checkDraw(t *testing.T, early []*visitor) {
	byJoin := slices.SortedFunc(slices.Values(early), func(a, b *visitor) int { return a.answered.Compare(b.answered) })
	var squares float64
	for rank, v := range byJoin {
		squares += math.Pow(float64(rank+1)-float64(v.position), 2)
	}
	n := float64(len(early))
	if r := 1 - 6*squares/(n*(n*n-1)); math.Abs(r) > 0.2 {
		t.Errorf("places and order of joining have a correlation of %.2f", r)
	}
}

// checkOrder holds places against cohorts, and cohorts against time: nobody is in an earlier one
// than somebody who held a place before.
func checkOrder(t *testing.T, late []*visitor) {
	byPosition := slices.SortedFunc(slices.Values(late), func(a, b *visitor) int { return cmp.Compare(a.position, b.position) })
	if !slices.IsSortedFunc(byPosition, func(a, b *visitor) int { return cmp.Compare(a.seat.Cohort, b.seat.Cohort) }) {
		t.Error("places are not in order of cohorts")
	}
	if first, last := byPosition[0].seat.Cohort, byPosition[len(late)-1].seat.Cohort; last-first < 4 {
		t.Errorf("ten seconds of arrivals are in cohorts %d to %d only", first, last)
	}
	byAnswer := slices.SortedFunc(slices.Values(late), func(a, b *visitor) int { return a.answered.Compare(b.answered) })
	byBegin := slices.SortedFunc(slices.Values(late), func(a, b *visitor) int { return a.began.Compare(b.began) })
	var latest int64
	for _, v := range byBegin {
		for len(byAnswer) > 0 && byAnswer[0].answered.Before(v.began) {
			latest = max(latest, byAnswer[0].seat.Cohort)
			byAnswer = byAnswer[1:]
		}
		if v.seat.Cohort < latest {
			t.Fatalf("a visitor came into cohort %d when there was somebody in %d", v.seat.Cohort, latest)
		}
	}
}

// window is a span of time for which the cap counted admissions.
type window struct{ seconds, index int64 }

// windows reads the cap's items out of the table.
func (r *opened) windows(ctx context.Context, t *testing.T) map[window]int64 {
	t.Helper()
	counts := map[window]int64{}
	pages := awsdynamodb.NewScanPaginator(r.tables, &awsdynamodb.ScanInput{TableName: aws.String(r.table)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			key := strings.Split(item["pk"].(*types.AttributeValueMemberS).Value, "#")
			if key[0] != "ADMIT" {
				continue
			}
			n, err := strconv.ParseInt(item["n"].(*types.AttributeValueMemberN).Value, 10, 64)
			seconds, err2 := strconv.ParseInt(key[3], 10, 64)
			index, err3 := strconv.ParseInt(key[4], 10, 64)
			if err := errors.Join(err, err2, err3); err != nil {
				t.Fatal(err)
			}
			counts[window{seconds, index}] += n
		}
	}
	return counts
}

// checkCap holds every window against the cap, written out once more.
func checkCap(t *testing.T, counts map[window]int64, rate, admitted int64) {
	var sum int64
	for w, n := range counts {
		limit := (w.index+1)*rate*w.seconds/60 - w.index*rate*w.seconds/60
		if n > limit {
			t.Errorf("window %d of %d s has %d admissions, over %d", w.index, w.seconds, n, limit)
		}
		sum += n
	}
	if sum != admitted {
		t.Errorf("the windows have %d admissions, and %d visitors were admitted", sum, admitted)
	}
}

// passKeys reads the room's public keys, as a shop does.
func (r *opened) passKeys(ctx context.Context, t *testing.T) jwt.Keyfunc {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := r.document(ctx, names.JWKSPath, &set); err != nil {
		t.Fatal(err)
	}
	return func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		for _, key := range set.Key(kid) {
			if public, ok := key.Key.(*rsa.PublicKey); ok {
				return public, nil
			}
		}
		return nil, fmt.Errorf("the room has no key %q", kid)
	}
}

// checkPasses checks passes with a library that the room does not use.
func checkPasses(t *testing.T, keys jwt.Keyfunc, r *opened, all []*visitor) {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(r.address), jwt.WithAudience(r.address),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	ids := map[string]bool{}
	for i, v := range all {
		var claims struct {
			jwt.RegisteredClaims
			Event string `json:"event"`
		}
		if _, err := parser.ParseWithClaims(v.pass, &claims, keys); err != nil {
			t.Fatalf("the pass of visitor %d: %v", i, err)
		}
		if claims.Subject != v.seat.Visitor || claims.Event != "demo" {
			t.Fatalf("the pass of visitor %d is for %q at %q", i, claims.Subject, claims.Event)
		}
		if lifetime := claims.ExpiresAt.Sub(claims.IssuedAt.Time); lifetime != 30*time.Minute {
			t.Fatalf("the pass of visitor %d is good for %s", i, lifetime)
		}
		if v.redirect != r.address+"/shop?"+names.PassParameter+"="+v.pass {
			t.Fatalf("visitor %d is not sent to the shop with the pass", i)
		}
		if ids[claims.ID] {
			t.Fatalf("the pass of visitor %d is another's", i)
		}
		ids[claims.ID] = true
	}
}

func checkLog(t *testing.T, lines []string, all []*visitor) {
	log := strings.Join(lines, "\n")
	for i, v := range all {
		for what, secret := range map[string]string{"secret": v.secret, "ticket": v.seat.Ticket, "pass": v.pass} {
			if strings.Contains(log, secret) {
				t.Fatalf("the log holds the %s of visitor %d", what, i)
			}
		}
	}
}

// checkSeeds recomputes every seed from the draw key, with nothing but what design and documents
// say: the key is the one promised before anybody joined, and no seed was chosen.
func checkSeeds(t *testing.T, closed room.Status, commit string, seals []room.Seal) {
	key, err := hex.DecodeString(closed.DrawKey)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(key); hex.EncodeToString(sum[:]) != commit || closed.Commit != commit {
		t.Fatal("the draw key is not the one that was promised")
	}
	for _, seal := range seals {
		mac := hmac.New(sha256.New, key)
		for _, name := range []string{closed.Event, closed.Run} {
			mac.Write(binary.BigEndian.AppendUint16(nil, uint16(len(name))))
			mac.Write([]byte(name))
		}
		for _, number := range append([]int64{seal.Cohort}, seal.Counts...) {
			mac.Write(binary.BigEndian.AppendUint64(nil, uint64(number)))
		}
		if !hmac.Equal(mac.Sum(nil), seal.Seed[:]) {
			t.Errorf("the seed of cohort %d does not follow from the draw key", seal.Cohort)
		}
	}
}

// TestReplayedTicket shows one ticket a hundred times at once.
func TestReplayedTicket(t *testing.T) {
	const rate, replays = 60, 100
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := open(t, time.Now().Add(-time.Second), rate)
	r.await(ctx, t, "that the sale is open", func(s room.Status) bool { return s.Phase == room.Open })
	v := r.visitor()
	if err := errors.Join(v.join(ctx), v.wait(ctx)); err != nil {
		t.Fatal(err)
	}
	// A slot may be taken in each window, so all of them come in the first half of one.
	now := time.Now()
	if w := room.ShapeOf(rate).WindowAt(now); w.End().Sub(now) < w.Length/2 {
		if err := pause(ctx, w.End().Sub(now)); err != nil {
			t.Fatal(err)
		}
	}
	passes := make([]string, replays)
	var claims errgroup.Group
	for i := range replays {
		again := *v
		claims.Go(func() error {
			_, err := again.admit(ctx)
			passes[i] = again.pass
			return err
		})
	}
	if err := errors.Join(claims.Wait(), v.claim(ctx)); err != nil {
		t.Fatal(err)
	}
	// Whoever was refused while the first was on the way in has no pass, or the same.
	passes = slices.DeleteFunc(passes, func(pass string) bool { return pass == "" })
	if len(passes) == 0 || slices.ContainsFunc(passes, func(pass string) bool { return pass != v.pass }) {
		t.Errorf("one ticket gave %d passes that are not all the same", len(passes))
	}
	checkCap(t, r.windows(ctx, t), rate, 1)
}
