package surge

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// document is docs/quotas-and-costs.md, which says where formulas and prices come from.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/quotas-and-costs.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// row returns the cells of the table's row that begins with name.
func row(t *testing.T, document, name string) []string {
	t.Helper()
	_, rest, found := strings.Cut(document, "\n| "+name)
	if !found {
		t.Fatalf("the document has no row %q", name)
	}
	line, _, _ := strings.Cut(rest, "\n")
	cells := strings.Split(strings.Trim(name+line, " |"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells[1:]
}

func TestPlanIsTheDocuments(t *testing.T) {
	text := document(t)
	sales := []Expected{
		{Visitors: 10_000, Over: time.Minute, Rate: 500},
		{Visitors: 300_000, Over: time.Minute, Rate: 5_000},
		{Visitors: 3_000_000, Over: time.Minute, Rate: 60_000},
		{Visitors: 3_000_000, Over: 10 * time.Minute, Rate: 60_000},
	}
	for i, e := range sales {
		p := NewPlan(e)
		for name, got := range map[string]int{
			"shards, S": p.Shards, "joins a second, J": p.Joins, "admissions asked for a second, A": p.Admissions,
			"requests to the API a second": p.API, "environments of Lambda, E": p.Environments,
			"writes to the table a second": p.Writes, "reads of the table a second": p.Reads,
			"requests to CloudFront a second": p.CloudFront, "signatures a second": p.Signatures,
		} {
			if want := row(t, text, name)[i]; grouped(int64(got)) != want {
				t.Errorf("%v: %s: the plan says %s, the document %s", e, name, grouped(int64(got)), want)
			}
		}
	}
	// What is set has its default in the first column, and no column for what the design cannot do.
	for column, e := range map[int]Expected{1: sales[0], 2: sales[1], 3: sales[3]} {
		want := row(t, text, "warm throughput, option `warm-writes`")[column]
		if got := grouped(int64(NewPlan(e).WarmWrites)); got != want && !(want == "default" && got == grouped(newWrites)) {
			t.Errorf("%v: %s warm writes, the document says %s", e, got, want)
		}
	}
}

func TestQuotasAreTheDocuments(t *testing.T) {
	text := document(t)
	for _, e := range []struct {
		Expected
		column int
	}{
		{Expected{Visitors: 10_000, Over: time.Minute, Rate: 500}, 2},
		{Expected{Visitors: 300_000, Over: time.Minute, Rate: 5_000}, 3},
		{Expected{Visitors: 3_000_000, Over: 10 * time.Minute, Rate: 60_000}, 4},
	} {
		for _, q := range NewPlan(e.Expected).Quotas {
			cells := row(t, text, q.Name)
			if !strings.HasPrefix(cells[1], grouped(int64(q.Default))) {
				t.Errorf("%s: the default is %d, the document says %q", q.Name, q.Default, cells[1])
			}
			if code := strings.ReplaceAll(cells[0], "`", ""); code != q.Code {
				t.Errorf("%s: the code is %q, the document says %q", q.Name, q.Code, code)
			}
			if !strings.Contains(text, q.Source) {
				t.Errorf("%s: the document does not name the source %s", q.Name, q.Source)
			}
			// The document names a figure that is no more than the default where regions differ.
			figure, _, _ := strings.Cut(strings.ReplaceAll(cells[e.column], ",", "")+" ", " ")
			ask, _ := strconv.Atoi(figure)
			if raised := ask > q.Default; raised != q.Raise {
				t.Errorf("%v: %s: raised %v for %d, the document says %q", e.Expected, q.Name, q.Raise, q.Needed, cells[e.column])
			}
		}
	}
}

func TestPricesAreTheDocuments(t *testing.T) {
	_, text, _ := strings.Cut(document(t), "### One sale for 1,000,000 visitors")
	for _, p := range []Price{
		priceRequests, priceSent, priceEdge, priceAPI, priceInvocations, priceCompute, priceWrites, priceReads,
		priceStorage, priceRecovery, priceSignatures, pricePublishes, priceOrigin, priceLogs,
	} {
		usd, per, _ := strings.Cut(row(t, text, p.What)[1], " per ")
		wantUSD, err := strconv.ParseFloat(usd, 64)
		wantPer, err2 := strconv.ParseFloat(strings.ReplaceAll(per, ",", ""), 64)
		if err != nil || err2 != nil || wantUSD != p.USD || wantPer != p.Per {
			t.Errorf("%s: %v per %v, the document says %s per %s", p.What, p.USD, p.Per, usd, per)
		}
	}
}

// The document's sale costs what the document says, by its own amounts; it has metrics besides.
func TestCostsOfTheDocumentsSale(t *testing.T) {
	const visitors = 1_000_000
	r := Requests{
		Pages: 8 * visitors, Polls: 61 * visitors, Seals: visitors, Joins: visitors, Admits: 1.5 * visitors,
		Origin: 450_000, TableWrites: 6_280_000, TableReads: 3_600_000, Signatures: visitors, Publishes: 12_000,
	}
	costs := r.Costs(visitors, 150*time.Minute)
	if sum := Total(costs); sum < 98 || sum > 101 {
		t.Errorf("the sale costs %.2f: %+v", sum, costs)
	}
}

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
		p := NewPlan(Expected{Visitors: 300_000, Over: time.Minute, Rate: 5_000, Peak: test.peak})
		if p.Shards != test.shards || p.WarmWrites != test.warm || p.Joins != test.describesPeak {
			t.Errorf("%v joins a second: %d shards, %d warm writes for %d joins", test.peak, p.Shards, p.WarmWrites, p.Joins)
		}
		if full := p.Crowded > mostCrowded; full != test.mayBeFull {
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
		if got := fullPartition(test.shards, test.partitions, test.joins); got > mostCrowded != test.full || got < 0 || got > 1 {
			t.Errorf("%+v: %v", test, got)
		}
	}
	// A fair coin, ten times: more than nine heads in one of 1,024.
	if got := moreThan(9, 10, 0.5); got < 0.000976 || got > 0.000977 {
		t.Errorf("ten heads of ten by a chance of %v", got)
	}
}
