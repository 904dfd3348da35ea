package surge

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/plan"
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
	sales := []plan.Expected{
		{Visitors: 10_000, Over: time.Minute, Rate: 500},
		{Visitors: 300_000, Over: time.Minute, Rate: 5_000},
		{Visitors: 3_000_000, Over: time.Minute, Rate: 60_000},
		{Visitors: 3_000_000, Over: 10 * time.Minute, Rate: 60_000},
	}
	for i, e := range sales {
		p := plan.New(e)
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
	for column, e := range map[int]plan.Expected{1: sales[0], 2: sales[1], 3: sales[3]} {
		want := row(t, text, "warm throughput, option `warm-writes`")[column]
		if got := grouped(int64(plan.New(e).WarmWrites)); got != want && !(want == "default" && got == grouped(4_000)) {
			t.Errorf("%v: %s warm writes, the document says %s", e, got, want)
		}
	}
}

func TestQuotasAreTheDocuments(t *testing.T) {
	text := document(t)
	for _, e := range []struct {
		plan.Expected
		column int
	}{
		{plan.Expected{Visitors: 10_000, Over: time.Minute, Rate: 500}, 2},
		{plan.Expected{Visitors: 300_000, Over: time.Minute, Rate: 5_000}, 3},
		{plan.Expected{Visitors: 3_000_000, Over: 10 * time.Minute, Rate: 60_000}, 4},
	} {
		for _, q := range plan.New(e.Expected).Quotas {
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
