package surge

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"waitingroom/shared/plan"
)

// WriteText writes the report for people: the verdict first, then what it is about.
func (r *Report) WriteText(w io.Writer) error {
	t := &text{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.line("%s", r.headline())
	t.line("")
	r.writeCrowd(t)
	r.writeRoom(t)
	r.writeServices(t)
	r.writePromises(t)
	r.writeForecast(t)
	return t.Flush()
}

// text is a report's lines: those with tabs are set in columns.
type text struct{ *tabwriter.Writer }

func (t *text) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// row is a line with a name and a figure for people.
func (t *text) row(name, format string, args ...any) {
	t.line("  %s\t%s", name, fmt.Sprintf(format, args...))
}

// count is a row that is left out when there is nothing to count.
func (t *text) count(name string, n int64, note string) {
	if n > 0 {
		t.line("  %s\t%s\t%s", name, grouped(n), note)
	}
}

// latency is a row that is left out where nobody measured.
func (t *text) latency(l Latency) {
	if l != (Latency{}) {
		t.row("answered in", "%s", l)
	}
}

// headline is the verdict in one line.
func (r *Report) headline() string {
	if r.Interrupted {
		return fmt.Sprintf("Interrupted after %s. %s", clock(seconds(r.Ended)), r.verdict())
	}
	return r.verdict()
}

func (r *Report) verdict() string {
	var broken []string
	judged := 0
	for _, p := range r.Promises {
		if !p.Held {
			broken = append(broken, p.Name)
		}
		if p.Judged {
			judged++
		}
	}
	switch {
	case len(broken) > 0:
		return "BROKEN: " + strings.Join(broken, ", ") + "."
	case judged < len(r.Promises):
		return fmt.Sprintf("Every promise was kept that could be judged: %d of %d.", judged, len(r.Promises))
	}
	return fmt.Sprintf("All %d promises were kept.", judged)
}

func (r *Report) writeCrowd(t *text) {
	c := r.Crowd
	t.line("What became of everybody")
	t.line("  visitors\t%s\t", grouped(c.Visitors))
	t.line("  let in\t%s\t", grouped(c.Admitted))
	t.count("no-shows", c.NoShows, "in line, and never claimed the turn")
	t.count("in line", c.InLine, "when the surge ended")
	t.count("at the door", c.AtDoor, "had the turn, when the surge ended")
	t.count("asking for a place", c.Asking, "when the surge ended")
	t.count("not arrived", c.Expected, "the surge ended before they came")
	t.count("expired", c.Expired, "came too late for the turn")
	t.count("turned away", c.TurnedAway, "sold out or closed before they got in")
	t.count("rejected", c.Rejected, "with an answer that nobody must get")
	t.line("")
}

func (r *Report) writeRoom(t *text) {
	t.line("Joins")
	t.row("busiest second", "%s joins, %s from the on-sale", grouped(r.Joins.Peak), clock(seconds(r.Joins.PeakAt-r.OnSale)))
	t.latency(r.Joins.Latency)
	if r.Joins.Refused > 0 {
		var codes []string
		for _, code := range slices.Sorted(maps.Keys(r.Joins.Refusals)) {
			codes = append(codes, fmt.Sprintf("%s %s", code, grouped(r.Joins.Refusals[code])))
		}
		t.row("refused, asked again", "%s: %s", grouped(r.Joins.Refused), strings.Join(codes, ", "))
	}
	t.line("")
	t.line("The line, from the on-sale or from when one came")
	t.row("longest", "%s people", grouped(r.Waits.Longest))
	t.row("waited", "p10 %s, p50 %s, p90 %s, p99 %s", clock(seconds(r.Waits.P10)), clock(seconds(r.Waits.P50)),
		clock(seconds(r.Waits.P90)), clock(seconds(r.Waits.P99)))
	if r.Waits.Empty > 0 {
		t.row("empty", "%s after the on-sale", clock(seconds(r.Waits.Empty-r.OnSale)))
	} else {
		t.row("empty", "not when the surge ended, %s after the on-sale", clock(seconds(r.Ended-r.OnSale)))
	}
	t.line("")
	t.line("Admissions")
	if r.Crowd.Admitted > 0 {
		t.row("first and last", "%s and %s after the on-sale", clock(seconds(r.Entry.First-r.OnSale)), clock(seconds(r.Entry.Last-r.OnSale)))
		t.row("mean of all", "%s a minute, of %s", grouped(int64(math.Round(r.Entry.PerMinute))), grouped(int64(r.Rate)))
		t.row("sent away", "%.2f times an admission", r.Entry.Refusals)
		t.latency(r.Entry.Latency)
	}
	if r.Shop.Orders+r.Shop.Failed > 0 {
		t.row("orders", "%s, %s in the best minute, %s failed", grouped(r.Shop.Orders), grouped(r.Shop.BestRate), grouped(r.Shop.Failed))
	}
	if s := r.Without; s != nil {
		t.row("without the room", "%s, %s in the best minute, %s failed", grouped(s.Orders), grouped(s.BestRate), grouped(s.Failed))
	}
	t.line("")
}

// String is a latency in milliseconds.
func (l Latency) String() string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s ms", figure(l.P50), figure(l.P90), figure(l.P99), figure(l.Max))
}

// reasonCount is how many of the reasons are shown why a table was throttled. The JSON has all of them.
const reasonCount = 4

func (r *Report) writeServices(t *text) {
	s := r.Services
	t.line("Services")
	t.row("polls of the status", "%s, %s in the busiest second", grouped(r.Polls.Total), grouped(r.Polls.Peak))
	if s.CacheRequests > 0 {
		t.row("reached the origin", "%s of requests, %s of bytes", percent(s.OriginRequests, s.CacheRequests), percent(s.OriginBytes, s.CacheBytes))
	} else if r.Polls.Total > 0 {
		t.row("reached the origin", "%s of polls", percent(r.Polls.Origin, r.Polls.Total))
	}
	if s.TableUnits > 0 {
		t.row("table", "%s units, at most %s writes and %s reads a second", grouped(int64(s.TableUnits)), grouped(int64(s.TablePeakWrites)), grouped(int64(s.TablePeakReads)))
	}
	t.count("throttled by the table", s.TableThrottled, "calls, most of them since")
	for _, reason := range s.ThrottleReasons[:min(reasonCount, len(s.ThrottleReasons))] {
		t.line("    %s", reason)
	}
	t.count("refused by the gateway", s.GatewayRefused, "")
	t.count("environments", s.Environments, "at once")
	if s.MemoryPeakBytes > 0 {
		t.row("memory", "%s MB", grouped(s.MemoryPeakBytes>>20))
	}
	if s.CPUSeconds > 0 {
		t.row("processor", "%.1f s in %.1f s", s.CPUSeconds, s.WallSeconds)
	}
	for _, note := range s.Notes {
		t.line("  %s", note)
	}
	t.line("")
}

func (r *Report) writePromises(t *text) {
	t.line("Promises\t\tmeasured\tlimit\t")
	for _, p := range r.Promises {
		state := "kept"
		switch {
		case !p.Held:
			state = "BROKEN"
		case !p.Judged:
			t.line("  %s\tnot judged\t\t\t%s", p.Name, p.Why)
			continue
		}
		t.line("  %s\t%s\t%s\t%s\t%s", p.Name, state, figure(p.Measured), figure(p.Limit), p.Unit)
	}
	t.line("")
	for _, p := range r.Promises {
		if p.Held {
			continue
		}
		t.line("%s was broken %s times. %s %s", p.Name, grouped(p.Broken), p.Says, p.Why)
		for _, example := range p.Examples {
			t.line("  %s", example)
		}
		t.line("")
	}
}

func (r *Report) writeForecast(t *text) {
	p := r.Forecast.Plan
	t.line("In an account of AWS")
	t.row("cost", "%.2f USD, of which", r.Forecast.Total)
	costs := slices.Clone(r.Forecast.Costs)
	slices.SortStableFunc(costs, func(a, b plan.Cost) int { return cmp.Compare(b.USD, a.USD) })
	for _, c := range costs[:min(len(costs), 4)] {
		t.line("    %s\t%.2f", c.What, c.USD)
	}
	t.row("shards", "%d", p.Shards)
	t.row("warm throughput", "%s writes, %s reads a second", grouped(int64(p.WarmWrites)), grouped(int64(p.WarmReads)))
	if p.Crowded > plan.MostCrowded {
		t.row("full partitions", "likely even so: up to %.0f %%. Let people come earlier, or over a longer time", 100*p.Crowded)
	}
	raised := 0
	for _, q := range p.Quotas {
		if q.Raise {
			t.row("raise", "%s (%s): %s by default, %s needed", q.Name, q.Code, grouped(int64(q.Default)), grouped(int64(q.Needed)))
			raised++
		}
	}
	if raised == 0 {
		t.row("raise", "no quota, where the account has the defaults of the documentation")
	}
	t.line("Prices are those of %s.", plan.PriceSource)
}

func grouped(n int64) string { return plan.Grouped(n) }

// figure writes a number with as many decimals as tell something.
func figure(x float64) string {
	switch {
	case x == math.Trunc(x) || math.Abs(x) >= 1000:
		return grouped(int64(math.Round(x)))
	case math.Abs(x) < 10:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

func percent(n, of int64) string {
	if of == 0 {
		return "none"
	}
	return fmt.Sprintf("%.3f %%", 100*float64(n)/float64(of))
}

// clock writes a time as minutes and seconds, from an hour on as hours, minutes and seconds.
func clock(d time.Duration) string {
	s, sign := int64(d.Round(time.Second)/time.Second), ""
	if s < 0 {
		s, sign = -s, "-"
	}
	if s >= 3600 {
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%s%d:%02d", sign, s/60, s%60)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
