package docs

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"waitingroom/shared/plan"
)

// table returns the rows below the header whose cells are given, up to the table's end.
func table(t *testing.T, document string, header ...string) [][]string {
	t.Helper()
	_, below, found := strings.Cut(document, "\n| "+strings.Join(header, " | ")+" |\n")
	if !found {
		t.Fatalf("there is no table with the header %q", header)
	}
	var rows [][]string
	for line := range strings.Lines(below) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|---") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		t.Fatalf("the table with the header %q is empty", header)
	}
	return rows
}

func number(t *testing.T, cell string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(strings.ReplaceAll(strings.Trim(cell, "*"), ",", ""), 64)
	if err != nil {
		t.Fatalf("%q is not a number", cell)
	}
	return n
}

// sales are those of the document's first table.
var sales = []plan.Expected{
	{Visitors: 10_000, Over: time.Minute, Rate: 500},
	{Visitors: 300_000, Over: time.Minute, Rate: 5_000},
	{Visitors: 3_000_000, Over: time.Minute, Rate: 60_000},
	{Visitors: 3_000_000, Over: 10 * time.Minute, Rate: 60_000},
}

// named returns the row whose first cell begins with name.
func named(t *testing.T, rows [][]string, name string) []string {
	t.Helper()
	for _, row := range rows {
		if strings.HasPrefix(row[0], name) {
			return row
		}
	}
	t.Fatalf("no row begins with %q", name)
	return nil
}

// Figures are rounded up: they are what a quota has to cover.
func TestPeaksAreThePlans(t *testing.T) {
	rows := table(t, contents(t, "quotas-and-costs.md"), "peak", "10,000", "300,000", "3,000,000 in a minute", "3,000,000 in ten")
	for i, e := range sales {
		p := plan.New(e)
		want := []struct {
			name   string
			figure int
		}{
			{"visitors, V", e.Visitors}, {"seconds in which they come, T", int(e.Over.Seconds())}, {"rate a minute, R", e.Rate},
			{"shards, S", p.Shards}, {"joins a second, J", p.Joins}, {"admissions asked for a second, A", p.Admissions},
			{"requests to the API a second", p.API}, {"environments of Lambda, E", p.Environments},
			{"writes to the table a second", p.Writes}, {"reads of the table a second", p.Reads},
			{"requests to CloudFront a second", p.CloudFront}, {"signatures a second", p.Signatures},
		}
		if len(rows) != len(want) {
			t.Fatalf("the table has %d rows, and the test knows %d", len(rows), len(want))
		}
		for _, w := range want {
			if got := named(t, rows, w.name)[1+i]; got != plan.Grouped(int64(w.figure)) {
				t.Errorf("%+v: %s: the table says %s, the plan %s", e, w.name, got, plan.Grouped(int64(w.figure)))
			}
		}
	}
}

// What is set has no column for the sale that the design cannot do.
func TestSettingsAreThePlans(t *testing.T) {
	rows := table(t, contents(t, "quotas-and-costs.md"), "what", "default", "10,000", "300,000", "3,000,000 in ten minutes")
	for column, e := range map[int]plan.Expected{2: sales[0], 3: sales[1], 4: sales[3]} {
		p := plan.New(e)
		for _, w := range []struct {
			name          string
			figure, usual int
		}{
			{"shards", p.Shards, 0},
			{"warm throughput, option `warm-writes`", p.WarmWrites, 4_000},
			{"warm throughput, option `warm-reads`", p.WarmReads, 12_000},
			{"provisioned concurrency of `join`", p.Join, 0},
			{"provisioned concurrency of `admit`", p.Admit, 0},
		} {
			got := named(t, rows, w.name)[column]
			figure := plan.Grouped(int64(w.figure))
			if got != figure && !(got == "default" && w.figure == w.usual) {
				t.Errorf("%+v: %s: the table says %s, the plan %s", e, w.name, got, figure)
			}
		}
	}
}

func TestQuotasAreThePlans(t *testing.T) {
	document := contents(t, "quotas-and-costs.md")
	rows := table(t, document, "quota", "code", "default", "10,000", "300,000", "3,000,000 in ten minutes", "can be raised")
	for _, l := range plan.Limits() {
		row := named(t, rows, l.Name)
		if code := strings.ReplaceAll(row[1], "`", ""); code != l.Code {
			t.Errorf("%s: the code is %q, the document says %q", l.Name, l.Code, code)
		}
		if !strings.HasPrefix(row[2], plan.Grouped(int64(l.Default))) {
			t.Errorf("%s: the default is %d, the document says %q", l.Name, l.Default, row[2])
		}
		if !strings.Contains(document, l.Source.URL) {
			t.Errorf("%s: the document does not name the source %s", l.Name, l.Source.URL)
		}
	}
	for column, e := range map[int]plan.Expected{3: sales[0], 4: sales[1], 5: sales[3]} {
		for _, q := range plan.New(e).Quotas {
			// The document names a figure that is no more than the default where regions differ.
			cell := named(t, rows, q.Name)[column]
			figure, _, _ := strings.Cut(strings.ReplaceAll(cell, ",", "")+" ", " ")
			ask, _ := strconv.Atoi(figure)
			if strings.HasPrefix(q.Name, "Lambda,") && ask < q.Needed {
				t.Errorf("%+v: %s: %d are needed, the document says %q", e, q.Name, q.Needed, cell)
			}
			if raised := ask > q.Default; raised != q.Raise {
				t.Errorf("%+v: %s: raised %v for %d, the document says %q", e, q.Name, q.Raise, q.Needed, cell)
			}
		}
	}
}

// Each price of the document is the plan's, and each of the plan's stands there with its source.
func TestPricesAreThePlans(t *testing.T) {
	document := contents(t, "quotas-and-costs.md")
	var rows [][]string
	for _, from := range []string{"### Idle, a month\n", "### One sale for 1,000,000 visitors\n"} {
		_, section, _ := strings.Cut(document, from)
		priced := table(t, section, "what", "amount", "price", "USD")
		rows = append(rows, priced[:len(priced)-1]...)
	}
	hotShows := table(t, document, "hot shows", "amount", "price", "USD")
	rows = append(rows, hotShows[:len(hotShows)-1]...)
	rows = append(rows, table(t, document, "optional", "amount", "price", "USD")...)
	known := map[string]bool{}
	for _, p := range plan.Prices() {
		if !strings.Contains(document, "<"+p.Source.URL+">") {
			t.Errorf("%s: the document does not name the source %s", p.What, p.Source.URL)
		}
		if p.Source.How == plan.Unconfirmed {
			continue
		}
		usd, unit, _ := strings.Cut(named(t, rows, p.What)[2], " per ")
		if number(t, usd) != p.USD || number(t, unit) != p.Per {
			t.Errorf("%s: %v per %v, the document says %s per %s", p.What, p.USD, p.Per, usd, unit)
		}
		known[priceText(p.USD, p.Per)] = true
	}
	for _, row := range rows {
		usd, unit, _ := strings.Cut(row[2], " per ")
		if !known[priceText(number(t, usd), number(t, unit))] {
			t.Errorf("%s: the plan has no price %s", row[0], row[2])
		}
	}
}

func priceText(usd, per float64) string { return fmt.Sprint(usd, " per ", per) }

// documentsSale is the one whose costs the document has.
func documentsSale(rate int) plan.Plan {
	return plan.New(plan.Expected{Visitors: 1_000_000, Over: 10 * time.Minute, Rate: rate})
}

// The lines of the document's sale are the plan's, and all of them.
func TestDocumentsSaleIsThePlans(t *testing.T) {
	document := contents(t, "quotas-and-costs.md")
	_, section, _ := strings.Cut(document, "### One sale for 1,000,000 visitors\n")
	rows := table(t, section, "what", "amount", "price", "USD")
	costs := documentsSale(10_000).Costs()
	if lines := len(rows) - 1; lines != len(costs) {
		t.Errorf("the plan has %d lines, the document %d", len(costs), lines)
	}
	for _, c := range costs {
		sameCost(t, c, named(t, rows, c.What))
	}
	if sum := fmt.Sprintf("**%.2f**", plan.Total(costs)); rows[len(rows)-1][3] != sum {
		t.Errorf("the plan's sum is %s, the document's %s", sum, rows[len(rows)-1][3])
	}
	kept := documentsSale(10_000).Provisioning(6 * time.Hour)
	sameCost(t, kept, named(t, table(t, document, "optional", "amount", "price", "USD"), kept.What))
	for _, row := range table(t, document, "rate a minute", "the last one waits", "USD") {
		p := documentsSale(int(number(t, row[0])))
		waits := fmt.Sprintf("%.0f minutes", p.Waits(0).Last.Minutes())
		if cost := fmt.Sprintf("%.0f", plan.Total(p.Costs())); row[1] != waits || row[2] != cost {
			t.Errorf("at %s a minute the last one waits %s for %s USD, the document says %s and %s", row[0], waits, cost, row[1], row[2])
		}
	}
}

// sameCost compares what the plan prints with a line of the document.
func sameCost(t *testing.T, c plan.Cost, row []string) {
	t.Helper()
	precision := 0.00501
	if c.Amount >= 100 {
		precision = 0.501
	}
	if math.Abs(c.Amount-number(t, row[1])) > precision || fmt.Sprintf("%.2f", c.USD) != row[3] {
		t.Errorf("%s: the plan says %.2f for %.2f USD, the document %s for %s", c.What, c.Amount, c.USD, row[1], row[3])
	}
}

// Every line of a cost table is its amount times its price, and the sum is that of the lines, each of which is
// rounded to a cent.
func TestCostsAddUp(t *testing.T) {
	document := contents(t, "quotas-and-costs.md")
	for from, first := range map[string]string{"### Idle, a month\n": "what", "[Hot shows](deploy.md#hot-shows), where": "hot shows",
		"### One sale for 1,000,000 visitors\n": "what"} {
		_, section, found := strings.Cut(document, from)
		if !found {
			t.Fatalf("there is no section %q", from)
		}
		rows := table(t, section, first, "amount", "price", "USD")
		var sum float64
		for _, row := range rows[:len(rows)-1] {
			sum += cost(t, row)
		}
		last := rows[len(rows)-1]
		if got := number(t, last[3]); last[0] != "**sum**" || math.Abs(got-sum) > 0.00501*float64(len(rows)) {
			t.Errorf("%s the last line is %q with %.2f, the lines add up to %.2f", from, last[0], got, sum)
		}
	}
	for _, row := range table(t, document, "optional", "amount", "price", "USD") {
		cost(t, row)
	}
}

// cost checks a line and returns its cost in dollars.
func cost(t *testing.T, row []string) float64 {
	t.Helper()
	price, unit, found := strings.Cut(row[2], " per ")
	if !found {
		t.Fatalf("%s: the price %q has no unit", row[0], row[2])
	}
	got, want := number(t, row[3]), number(t, row[1])*number(t, price)/number(t, unit)
	if math.Abs(got-want) > 0.00501 {
		t.Errorf("%s: the table says %.2f, amount times price is %.4f", row[0], got, want)
	}
	return got
}

// The figures of the page that the tables use are those of the page.
func TestPollsAreThePages(t *testing.T) {
	rules := contents(t, "../static/assets/room.js")
	found := regexp.MustCompile(`MINUTE, (\S+) \* SECOND \+ \S+ \* Math\.max\(0, wait\)\) \* \((\S+) \+ (\S+) \* random\(\)\)`).FindStringSubmatch(rules)
	if found == nil {
		t.Fatal("room.js has no pollDelay that this test can read")
	}
	shortest, least, jitter := number(t, found[1]), number(t, found[2]), number(t, found[3])
	if mean := shortest * (least + jitter/2); math.Abs(mean-plan.FastestPoll) > 1e-9 {
		t.Errorf("a page asks every %v s at its fastest, the tables suppose %v", mean, plan.FastestPoll)
	}
	// The document itself and the words of one language come on top of what the document leads to.
	files := loaded(t)
	if n := len(files) + 2; n != plan.PageFiles {
		t.Errorf("a first visit loads %d files, the tables suppose %d: %v", n, plan.PageFiles, slices.Sorted(maps.Keys(files)))
	}
	if !strings.Contains(contents(t, "quotas-and-costs.md"), fmt.Sprintf("V / %v + %d V / T", plan.FastestPoll, plan.PageFiles)) {
		t.Error("the formula for CloudFront has other figures than the test")
	}
}

var (
	linked   = regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`)
	imported = regexp.MustCompile("(?:from |import\\()[\"`]\\./([a-z-]+\\.js)")
)

// loaded are the files that the page's document names, and what its scripts import without being asked to.
func loaded(t *testing.T) map[string]bool {
	t.Helper()
	files := map[string]bool{}
	var load func(name string)
	load = func(name string) {
		if files[name] {
			return
		}
		files[name] = true
		if !strings.HasSuffix(name, ".js") {
			return
		}
		for _, module := range imported.FindAllStringSubmatch(contents(t, "../static"+name), -1) {
			load("/assets/" + module[1])
		}
	}
	for _, file := range linked.FindAllStringSubmatch(contents(t, "../static/index.html"), -1) {
		load(file[1])
	}
	return files
}
