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
)

// The page's own figures, which the requests to CloudFront follow from.
const (
	fastestPoll = 2.4375 // seconds between two polls on average, at the fastest
	pageFiles   = 8      // that a first visit loads
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

// The table of peaks has to be what its own inputs and the formulas below it give. Figures are
// rounded up: they are what a quota has to cover.
func TestPeaksFollowFromTheFormulas(t *testing.T) {
	rows := table(t, contents(t, "quotas-and-costs.md"), "peak", "10,000", "300,000", "3,000,000 in a minute", "3,000,000 in ten")
	if len(rows) != 12 {
		t.Fatalf("the table has %d rows, and the test knows 12", len(rows))
	}
	for column := 1; column < len(rows[0]); column++ {
		in := func(row int) float64 { return number(t, rows[row][column]) }
		visitors, seconds, rate, shards := in(0), in(1), in(2), in(3)
		joins := visitors / seconds
		admissions := 2.1 * rate / 60
		environments := joins/10 + admissions/10 + 4
		want := []float64{
			joins, admissions, joins + admissions, environments,
			2*joins + 5.2*rate/60 + shards + 6,
			environments + 2*admissions + shards/2 + 4,
			visitors/fastestPoll + pageFiles*visitors/seconds,
			rate / 60,
		}
		for i, exact := range want {
			// What is exact but for the rounding of floating point stays as it is.
			if got, up := in(4+i), math.Ceil(exact-1e-6); got != up {
				t.Errorf("%s, %s: the table says %.0f, the formula gives %.0f", rows[0][column], rows[4+i][0], got, up)
			}
		}
	}
}

// Every line of a cost table is its amount times its price, and the sum is that of the lines.
func TestCostsAddUp(t *testing.T) {
	document := contents(t, "quotas-and-costs.md")
	for _, from := range []string{"### Idle, a month\n", "### One sale for 1,000,000 visitors\n"} {
		_, section, found := strings.Cut(document, from)
		if !found {
			t.Fatalf("there is no section %q", from)
		}
		rows := table(t, section, "what", "amount", "price", "USD")
		var sum float64
		for _, row := range rows[:len(rows)-1] {
			sum += cost(t, row)
		}
		last := rows[len(rows)-1]
		if got := number(t, last[3]); last[0] != "**sum**" || math.Abs(got-sum) > 0.001 {
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
	if mean := shortest * (least + jitter/2); math.Abs(mean-fastestPoll) > 1e-9 {
		t.Errorf("a page asks every %v s at its fastest, the tables suppose %v", mean, fastestPoll)
	}
	// The document itself and the words of one language come on top of what the document leads to.
	files := loaded(t)
	if n := len(files) + 2; n != pageFiles {
		t.Errorf("a first visit loads %d files, the tables suppose %d: %v", n, pageFiles, slices.Sorted(maps.Keys(files)))
	}
	if !strings.Contains(contents(t, "quotas-and-costs.md"), fmt.Sprintf("V / %v + %d V / T", fastestPoll, pageFiles)) {
		t.Error("the formula for CloudFront has other figures than the test")
	}
}

var (
	named    = regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`)
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
	for _, file := range named.FindAllStringSubmatch(contents(t, "../static/index.html"), -1) {
		load(file[1])
	}
	return files
}
