package plan

import (
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
		{peak: 50_000, shards: 128, warm: 202_000, describesPeak: 50_000, mayBeFull: true, writeQuota: true},
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
