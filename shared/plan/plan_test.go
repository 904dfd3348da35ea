package plan

import (
	"math"
	"strings"
	"testing"
	"time"
)

// Warm throughput is at least four times the peak, and shards are few enough to be sealed and many enough to
// spread over the partitions.
func TestPlanOfThroughput(t *testing.T) {
	tests := []struct {
		peak          float64
		shards, warm  int
		mayBeFull     bool
		writeQuota    bool
		describesPeak int
	}{
		{peak: 1, shards: 16, warm: 4_000, describesPeak: 1},
		{peak: 1_000, shards: 16, warm: 5_000, describesPeak: 1_000},
		{peak: 5_001, shards: 64, warm: 22_000, describesPeak: 5_001},
		{peak: 8_000, shards: 128, warm: 34_000, describesPeak: 8_000},
		{peak: 50_000, shards: 128, warm: 122_000, describesPeak: 50_000, mayBeFull: true, writeQuota: true},
	}
	for _, test := range tests {
		p := New(Expected{Visitors: 300_000, Over: time.Minute, Rate: 5_000, Peak: test.peak})
		if p.Shards != test.shards || p.WarmWrites != test.warm || p.Joins != test.describesPeak {
			t.Errorf("%v joins a second: %d shards, %d warm writes for %d joins", test.peak, p.Shards, p.WarmWrites, p.Joins)
		}
		if full := p.Crowded > MostCrowded; full != test.mayBeFull {
			t.Errorf("%v joins a second: a partition is full by a chance of %v", test.peak, p.Crowded)
		}
		if raise := p.Quotas[2].Raise; raise != test.writeQuota {
			t.Errorf("%v joins a second: %+v", test.peak, p.Quotas[2])
		}
	}
}

// One shard takes what one partition takes, and a partition alone what is left beside the visitors.
func TestFullPartition(t *testing.T) {
	tests := []struct {
		shards, partitions int
		joins              float64
		full               bool
	}{
		{1, 20, 5_000, true},
		{1, 20, 900, false},
		{16, 20, 5_000, true},
		{64, 20, 5_000, false},
		{16, 4, 0, false},
	}
	for _, test := range tests {
		if got := fullPartition(test.shards, test.partitions, test.joins); got > MostCrowded != test.full || got < 0 || got > 1 {
			t.Errorf("%+v: %v", test, got)
		}
	}
	// A fair coin, ten times: more than nine heads in one of 1,024.
	if got := moreThan(9, 10, 0.5); got < 0.000976 || got > 0.000977 {
		t.Errorf("ten heads of ten by a chance of %v", got)
	}
}

// What people wait for follows from the rate alone: no-shows make the line faster, until half of it stays away.
func TestWaits(t *testing.T) {
	tests := []struct {
		visitors, rate int
		over           time.Duration
		noShows        float64
		want           Waits
	}{
		{300_000, 13_000, time.Minute, 0, Waits{0, 692 * time.Second, 1246 * time.Second, 1385 * time.Second, 1325 * time.Second}},
		{300_000, 13_000, time.Minute, 0.3, Waits{0.3, 485 * time.Second, 872 * time.Second, 969 * time.Second, 909 * time.Second}},
		{300_000, 13_000, time.Minute, 0.9, Waits{0.9, 346 * time.Second, 623 * time.Second, 692 * time.Second, 632 * time.Second}},
		{600, 600, time.Hour, 0, Waits{0, 30 * time.Second, 54 * time.Second, time.Minute, 0}},
		{1, 60_000, time.Second, 0, Waits{}},
	}
	for _, test := range tests {
		p := New(Expected{Visitors: test.visitors, Over: test.over, Rate: test.rate})
		want := test.want
		want.NoShows = test.noShows
		if got := p.Waits(test.noShows); got != want {
			t.Errorf("%d at %d a minute, %v no-shows: %+v, want %+v", test.visitors, test.rate, test.noShows, got, want)
		}
	}
	// The largest crowd at the lowest rate still has waits that a Duration holds.
	if w := New(Expected{Visitors: math.MaxInt, Over: time.Second, Rate: 1}).Waits(0); w.Last < w.Ninety || w.Ninety < w.Median || w.Median <= 0 {
		t.Errorf("%+v", w)
	}
}

// More of anything never means less of what is needed or of what it costs.
func TestPlansGrow(t *testing.T) {
	var before Plan
	for _, visitors := range []int{1, 100, 10_000, 300_000, 1_000_000, 20_000_000} {
		p := New(Expected{Visitors: visitors, Over: time.Minute, Rate: 13_000})
		if p.Shards < before.Shards || p.WarmWrites < before.WarmWrites || p.WarmReads < before.WarmReads || p.Join < before.Join {
			t.Errorf("%d visitors need less than fewer do: %+v", visitors, p)
		}
		if visitors > 1 && (Total(p.Costs()) <= Total(before.Costs()) || p.Waits(0).Last < before.Waits(0).Last) {
			t.Errorf("%d visitors cost %.2f, fewer %.2f", visitors, Total(p.Costs()), Total(before.Costs()))
		}
		before = p
	}
}

// Nothing else uses the room's distribution, so its quota may be used up; the account's may not.
func TestQuotasThatAreRaised(t *testing.T) {
	for _, test := range []struct {
		visitors         int
		lambda, requests bool
	}{{200_000, false, false}, {300_000, true, false}, {459_000, true, false}, {461_000, true, true}} {
		p := New(Expected{Visitors: test.visitors, Over: time.Minute, Rate: 5_000})
		lambda, requests := p.Quotas[0], p.Quotas[len(p.Quotas)-1]
		if lambda.Raise != test.lambda || requests.Raise != test.requests {
			t.Errorf("%d visitors: %+v and %+v", test.visitors, lambda, requests)
		}
	}
}

// A million in a second is planned for: with warnings, and without setting what nobody can use.
func TestMillionInASecond(t *testing.T) {
	p := New(Expected{Visitors: 1_000_000, Over: time.Second, Rate: 60_000})
	if p.Joins != 1_000_000 || p.Join != MostJoins/perEnvironment {
		t.Errorf("%d joins a second, %d environments set", p.Joins, p.Join)
	}
	most := New(Expected{Visitors: MostJoins, Over: time.Second, Rate: 60_000})
	if p.WarmWrites > most.WarmWrites+perPartition*2 || p.WarmReads > most.WarmReads+perPartition*2 {
		t.Errorf("%d warm writes and %d reads, and %d and %d for all that can join", p.WarmWrites, p.WarmReads, most.WarmWrites, most.WarmReads)
	}
	for i, q := range p.Quotas {
		if most := most.Quotas[i]; q.Needed > most.Needed+perPartition*2 && !strings.HasPrefix(q.Name, "CloudFront") {
			t.Errorf("%s: %d are asked for, and %d for all that can join", q.Name, q.Needed, most.Needed)
		}
	}
	text := strings.Join(p.Warnings(), "\n")
	for _, want := range []string{"1,000,000 people a second want to join, and a room takes 30,000", "partition", "Lambda", "API Gateway", "CloudFront", "DynamoDB, writes"} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %q in\n%s", want, text)
		}
	}
	if quiet := New(Expected{Visitors: 10_000, Over: time.Minute, Rate: 500}).Warnings(); len(quiet) != 0 {
		t.Errorf("a small sale is warned of %q", quiet)
	}
}

// A line and arrivals are held against the time at which this event closes. Who closes it early does not pay
// for what is later.
func TestPlanUntilItCloses(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		name           string
		visitors, rate int
		over, open     time.Duration
		want           []string // of the warnings
		costs          time.Duration
	}{
		{"nothing said", 10_000, 500, time.Minute, 0, nil, 80 * time.Minute},
		{"a line of a week", 10_000, 1, time.Minute, 0, []string{"line takes 167 hours, and the event closes 24 hours after"}, 24 * hour},
		{"a line until the end", 60_000, 100, 10 * time.Minute, 10 * hour, nil, 10 * hour},
		{"a line beyond the end", 60_000, 100, 10 * time.Minute, hour, []string{"line takes 10 hours, and the event closes 60 minutes after"}, hour},
		{"by a second", 60_001, 3600, time.Minute, 1000 * time.Second, []string{"line takes 17 minutes, and the event closes 1,000 seconds after"}, 1000 * time.Second},
		{"a line of a day and more", 100_000, 60, 10 * time.Minute, 169 * hour, nil, 28*hour + 46*time.Minute + 40*time.Second},
		{"arrivals after the end", 500, 100, 720 * hour, 24 * hour, []string{"come over 720 hours, and the event closes 24 hours after"}, 24 * hour},
		{"arrivals until the end", 500, 100, 24 * hour, 24 * hour, nil, 24 * hour},
		{"arrivals of a month", 500, 100, 720 * hour, 721 * hour, nil, 721 * hour},
		{"both", 100_000, 1, 3 * hour, 2 * hour, []string{"line takes 1,667 hours", "come over 3 hours, and the event closes 2 hours after"}, 2 * hour},
	}
	for _, test := range tests {
		p := New(Expected{Visitors: test.visitors, Over: test.over, Rate: test.rate, Open: test.open})
		warnings := p.Warnings()
		if len(warnings) != len(test.want) {
			t.Errorf("%s: %q", test.name, warnings)
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(warnings[i], want) || !strings.Contains(warnings[i], "et closes to a later time") {
				t.Errorf("%s: %q", test.name, warnings[i])
			}
		}
		if p.Open() != test.costs {
			t.Errorf("%s: the costs are for %v, want %v", test.name, p.Open(), test.costs)
		}
	}
	brief := New(Expected{Visitors: 500, Over: time.Minute, Rate: 100, Open: 10 * time.Minute})
	usual := New(Expected{Visitors: 500, Over: time.Minute, Rate: 100})
	if brief, usual := Total(brief.Costs()), Total(usual.Costs()); brief >= usual {
		t.Errorf("ten minutes cost %.4f, and an hour and five minutes %.4f", brief, usual)
	}
}

// Every figure says where it is from.
func TestSources(t *testing.T) {
	sources := map[string]Source{}
	for _, l := range Limits() {
		sources[l.Name] = l.Source
		if l.Default <= 0 || l.Code == "" {
			t.Errorf("%+v", l)
		}
	}
	for _, p := range Prices() {
		sources[p.What] = p.Source
		if p.Per <= 0 || (p.USD > 0) == (p.Source.How == Unconfirmed) {
			t.Errorf("%+v", p)
		}
	}
	if len(sources) != len(Limits())+len(Prices()) {
		t.Error("two figures have one name")
	}
	for name, s := range sources {
		if !strings.HasPrefix(s.URL, "https://") || s.How != Seen && s.How != Quoted && s.How != Unconfirmed {
			t.Errorf("%s: %+v", name, s)
		}
		if _, err := time.Parse("2006-01", s.Read); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
