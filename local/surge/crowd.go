package surge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"waitingroom/local/shop"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
)

const (
	// defaultTurnaround is how often the crowd looks at what is due and what was answered.
	defaultTurnaround = 2 * time.Millisecond
	// The most requests under way at once; those beyond wait in a queue, which counts as the answer's
	// time. Each door has its own, or a crowd at one would hold up the others. Joins and claims together
	// are fewer than an account's 1,000 environments, which otherwise would all be busy only because this
	// machine is slow.
	joinWires, claimWires, cdnWires, cacheWires, shopWires = 512, 256, 8, 256, 1024
	// meeting is how long the room may take to publish a first status.
	meeting = 30 * time.Second
	// longestWait is how long before its first arrival a crowd is ready to wait for it.
	longestWait = time.Hour
	// farewell is how long it may take to publish the draw key, and the documents that are read last.
	farewell = time.Minute
	// glance is the time between two looks while there is nothing else to do.
	glance = 250 * time.Millisecond
	// mostBroken bounds what is kept of broken answers.
	mostBroken = 1000
)

// never is a moment, in milliseconds since the beginning, that does not come.
const never = math.MaxInt32

// visit is what a visitor's page knows. With Visitor it is some 170 bytes, and a ticket is as much again.
type visit struct {
	status *seen
	// token is what is shown next: the ticket, then the shop's address with the pass, then its cookie.
	token string
	// pollAt, actAt: when the page asks for the status, and does what is next for the visitor: join,
	// find the place, claim, shop.
	pollAt, actAt int32
	openedAt      int32 // when this page first saw the line open
	since         int32 // the first status that this page saw, in the history
	// failures of polls and of what is next.
	pollFailures, failures uint8
	habits
	over     bool // the visit has ended
	asking   bool // a join is under way
	tried    bool // a join failed that may have taken a place all the same
	placed   bool // the page knows the place: it forgets it when it is loaded anew
	admitted bool
	browsed  bool // the shop has shown the checkout
	inLine   bool // counted as waiting
}

// crowd is a surge under way. One goroutine, the loop's, owns everything in it; answers come to it
// through post.
type crowd struct {
	Options
	ctx    context.Context
	began  time.Time
	turn   time.Duration // since began: the loop's present, read once for all that is due
	random *rand.Rand
	log    *Log
	wheel  *wheel
	visits []visit
	come   int   // visitors who have arrived
	active int   // those of them whose visit goes on
	line   int64 // visitors in line

	joins, claims, page, orders *url.URL

	joining, claiming, cdn, shop *wires
	edge                         edge

	fire  func(i int32) // does what is due for a visitor
	until time.Duration // the longest that the loop goes on
	ended bool          // the loop has: nothing new is begun

	mu    sync.Mutex
	posts []func()
}

// Run sends a crowd to a room and returns what it saw. It ends when everybody has been served, For
// after the on-sale, or when ctx ends: then the log is marked as interrupted, and is no error. An
// error means that the surge never began, or that the sale could not be closed; in the latter case
// there is a log, too. Nothing is left running.
func Run(ctx context.Context, o Options) (*Log, error) {
	o.URL, o.Cache = strings.TrimRight(o.URL, "/"), strings.TrimRight(o.Cache, "/")
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("surge: %w", err)
	}
	targets := []string{o.URL}
	if o.Cache != "" {
		targets = append(targets, o.Cache)
	}
	if err := o.checkTargets(targets...); err != nil {
		return nil, fmt.Errorf("surge: %w", err)
	}
	running, stop := context.WithCancel(ctx)
	c, err := newCrowd(running, o)
	if err != nil {
		stop()
		return nil, fmt.Errorf("surge: %w", err)
	}
	defer func() {
		stop()
		for _, w := range c.wires() {
			w.wait()
		}
	}()
	if err := c.meet(); err != nil {
		return nil, fmt.Errorf("surge: %w", err)
	}
	c.loop()
	if err := c.leave(); err != nil {
		return c.log, fmt.Errorf("surge: %w", err)
	}
	return c.log, nil
}

func newCrowd(ctx context.Context, o Options) (*crowd, error) {
	base, err := url.Parse(o.URL + "/")
	if err != nil {
		return nil, err
	}
	c := &crowd{
		Options: o, ctx: ctx, began: time.Now(), random: rand.New(rand.NewPCG(o.Seed, 1)),
		log:   newLog(o),
		wheel: newWheel(o.Visitors), visits: make([]visit, o.Visitors),
		joins:  base.JoinPath("v1", "events", o.Event, names.FunctionJoin),
		claims: base.JoinPath("v1", "events", o.Event, names.FunctionAdmit),
		page:   base.JoinPath(o.Event),
		orders: base.JoinPath(shop.OrderPath), // the demo shop is at the room's own address
	}
	c.joining, c.claiming = newWires(ctx, joinWires, o.dialer()), newWires(ctx, claimWires, o.dialer())
	c.shop = newWires(ctx, shopWires, o.dialer())
	documents, most := base, cdnWires
	if o.Cache != "" {
		if documents, err = url.Parse(o.Cache + "/"); err != nil {
			return nil, err
		}
		most = cacheWires
	}
	c.cdn = newWires(ctx, most, o.dialer())
	c.fire = c.step
	c.edge = edge{crowd: c, base: documents, seals: map[int64]*sealed{}}
	return c, nil
}

func newLog(o Options) *Log {
	log := &Log{
		Event: o.Event, Rate: o.Rate, Visitors: make([]Visitor, o.Visitors), Refusals: map[string]int64{},
		JoinLatency: newHistogram(), AdmitLatency: newHistogram(),
	}
	for i := range log.Visitors {
		log.Visitors[i] = Visitor{Asked: Never, Joined: Never, Called: Never, Admitted: Never, Ordered: Never, Cohort: NoCohort}
	}
	return log
}

// newHistogram is for a microsecond to ten minutes, to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	h.RecordValue(min(max(d.Microseconds(), 1), h.HighestTrackableValue()))
}

// meet waits for the room's first status and for the time at which the crowd sets out.
func (c *crowd) meet() error {
	if err := c.knock(); err != nil {
		return err
	}
	deadline := time.Now().Add(meeting)
	for c.edge.newest == nil {
		c.edge.look()
		if c.edge.newest == nil && time.Now().After(deadline) {
			return fmt.Errorf("%s has no status of %q that can be read: is the event set up?", c.URL, c.Event)
		}
		if !c.pause(glance) {
			return c.ctx.Err()
		}
	}
	s := c.edge.newest
	until := s.OnSaleAt.Sub(time.Now().Add(c.foreign()))
	if s.Phase == room.Closed || s.Phase == room.SoldOut {
		return fmt.Errorf("the sale of %q is over", c.Event)
	}
	lead := c.Lead()
	if lead > 0 && until < lead {
		return fmt.Errorf("the on-sale is in %s, and those who come before it need %s: set it to a later time, or send nobody before it",
			until.Round(time.Millisecond), lead)
	}
	if until-lead > longestWait {
		return fmt.Errorf("the on-sale is in %s: come back within %s of it", until.Round(time.Second), longestWait)
	}
	if !c.pause(until - lead - time.Second) {
		return c.ctx.Err()
	}
	c.begin(max(0, s.OnSaleAt.Sub(time.Now().Add(c.foreign()))))
	c.edge.restart()
	return nil
}

// knock looks whether anybody is there at all.
func (c *crowd) knock() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, meeting)
	defer cancel()
	conn, err := connect(ctx, c.dialer(), u)
	if err != nil {
		return fmt.Errorf("no room answers at %s: %w", c.URL, err)
	}
	return conn.Close()
}

// begin starts the clock of the log; the curve's zero is that far away.
func (c *crowd) begin(zero time.Duration) {
	c.began, c.turn, c.until = time.Now(), 0, zero+c.For
	c.log.Began = c.began.Add(c.foreign())
	for i := range c.log.Visitors {
		draw := c.draw(i)
		c.visits[i] = visit{habits: c.habitsOf(draw), actAt: never, openedAt: never}
		c.log.Visitors[i].NoShow = c.visits[i].noShow
		c.log.Visitors[i].Arrives = zero + c.Arrives(i, c.random.Float64())
	}
}

// foreign is by how much the room's clock is ahead. What a room on this machine says is by the same
// clock and at most a second or two old; nothing that it says is of a time to come.
func (c *crowd) foreign() time.Duration {
	if ahead := c.edge.clock.Offset(); ahead > 0 || ahead < -3*time.Second {
		return ahead
	}
	return 0
}

// serverNow is the room's time, as the loop has it.
func (c *crowd) serverNow() time.Time { return c.began.Add(c.turn + c.foreign()) }

// pause waits, and says whether there was time.
func (c *crowd) pause(d time.Duration) bool {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *crowd) elapsed() time.Duration { return time.Since(c.began) }

// milliseconds is a moment for visits and the wheel, which no surge outlives: 24 days.
func milliseconds(d time.Duration) int32 { return int32(min(d.Milliseconds(), never-1)) }

// loop lets visits go on until all have ended.
func (c *crowd) loop() {
	ticker := time.NewTicker(cmp.Or(c.turnaround, defaultTurnaround))
	defer ticker.Stop()
	for {
		c.handle()
		now := c.turn
		c.arrive(now)
		c.wheel.advance(now.Milliseconds(), c.fire)
		c.second(now)
		if c.come == c.Visitors && c.active == 0 || now > c.until {
			break
		}
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			c.log.Interrupted = true
		}
		if c.log.Interrupted {
			break
		}
	}
	c.settle()
	c.log.Ended = c.turn
	c.finish()
}

// wires are all that the crowd has.
func (c *crowd) wires() []*wires {
	var all []*wires
	for _, w := range []*wires{c.joining, c.claiming, c.cdn, c.shop} {
		if w != nil {
			all = append(all, w)
		}
	}
	return all
}

// settle waits for what is under way: an answer that nobody reads may have been a place. Requests
// end by themselves, after page.Timeout at the latest, and at once after an interrupt.
func (c *crowd) settle() {
	c.ended = true
	for busy := 1; busy > 0; {
		busy = 0
		for _, w := range c.wires() {
			busy += w.drop()
		}
		c.handle()
		c.second(c.turn)
		if !c.pause(defaultTurnaround) {
			c.log.Interrupted = true
			return
		}
	}
	c.handle()
}

// post has the loop do something with an answer.
func (c *crowd) post(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posts = append(c.posts, do)
}

func (c *crowd) handle() {
	c.mu.Lock()
	posts := c.posts
	c.posts = make([]func(), 0, len(posts))
	c.mu.Unlock()
	c.turn = c.elapsed() // after all of the answers
	for _, do := range posts {
		do()
	}
}

func (c *crowd) arrive(now time.Duration) {
	for c.come < c.Visitors && c.log.Visitors[c.come].Arrives <= now {
		i := int32(c.come)
		c.come++
		c.active++
		c.second(now).Arrivals++
		c.fire(i)
	}
}

// second is the one that is now. Those that have passed are told of.
func (c *crowd) second(now time.Duration) *Second {
	n := int(now / time.Second)
	for len(c.log.Seconds) <= n {
		c.passed()
		c.log.Seconds = append(c.log.Seconds, Second{})
	}
	return &c.log.Seconds[n]
}

// passed closes the last second.
func (c *crowd) passed() {
	last := len(c.log.Seconds) - 1
	if last < 0 {
		return
	}
	c.log.Seconds[last].Waiting = c.line
	if c.OnSecond != nil {
		c.OnSecond(last, c.log.Seconds[last])
	}
}

// finish closes the books: visits that have not ended are as the last status has it.
func (c *crowd) finish() {
	c.second(c.turn)
	c.passed()
	for i := range c.visits {
		v := &c.log.Visitors[i]
		switch {
		case !c.visits[i].asking:
		case c.log.Interrupted:
			v.Unsure++
		default:
			v.Joins-- // it was never sent
		}
		if s := c.visits[i].status; v.Outcome == Waiting && !v.NoShow && v.Admitted == Never && s != nil && s.Phase == room.SoldOut {
			v.Outcome = SoldOut
		}
	}
}

// conclude copies what the statuses say of the whole sale.
func (c *crowd) conclude() {
	newest := c.edge.newest
	c.log.Run, c.log.Commit, c.log.DrawKey = newest.Run, newest.Commit, newest.DrawKey
	c.log.OnSale = c.edge.onSale.Sub(c.log.Began)
}

// broken notes an answer that nobody must ever get.
func (c *crowd) broken(format string, args ...any) {
	if len(c.log.Broken) < mostBroken {
		c.log.Broken = append(c.log.Broken, fmt.Sprintf(format, args...))
	}
}

// end ends a visit.
func (c *crowd) end(i int32, outcome Outcome) {
	v := &c.visits[i]
	if v.over {
		return
	}
	v.over, v.token, v.status = true, "", nil
	c.leaveLine(v)
	c.active--
	if c.log.Visitors[i].Outcome == Waiting {
		c.log.Visitors[i].Outcome = outcome
	}
}

func (c *crowd) leaveLine(v *visit) {
	if v.inLine {
		v.inLine = false
		c.line--
	}
}

// leave closes the sale if it is to be, and reads every seal once more.
func (c *crowd) leave() error {
	if c.log.Interrupted {
		c.conclude()
		c.log.Seals = c.edge.inOrder()
		return nil
	}
	var closing error
	if c.Close != nil {
		closing = c.closeSale()
	}
	c.conclude()
	return errors.Join(closing, c.readSeals())
}

func (c *crowd) closeSale() error {
	if err := c.Close(c.ctx); err != nil {
		return fmt.Errorf("close the sale: %w", err)
	}
	for deadline := time.Now().Add(farewell); c.edge.newest.DrawKey == ""; {
		if time.Now().After(deadline) {
			return fmt.Errorf("the sale was closed %s ago and its draw key is not published", farewell)
		}
		if !c.pause(glance) {
			c.log.Interrupted = true
			return nil
		}
		c.edge.look()
	}
	return nil
}

// readSeals fills in those that nobody has asked for, and holds the others against what they were.
func (c *crowd) readSeals() error {
	deadline := time.Now().Add(farewell)
	for cohort := int64(0); cohort < c.edge.newest.Sealed; {
		switch err := c.edge.reread(cohort); {
		case err == nil:
			cohort++
		case c.ctx.Err() != nil:
			c.log.Interrupted = true
			c.log.Seals = c.edge.inOrder()
			return nil
		case time.Now().After(deadline):
			c.log.Seals = c.edge.inOrder()
			c.broken("%v", err)
			return nil
		default:
			c.pause(glance)
		}
	}
	c.log.Seals = c.edge.inOrder()
	return nil
}
