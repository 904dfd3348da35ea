package virtual

import (
	"math"
	"time"

	"waitingroom/local/page"
	"waitingroom/shared/room"
)

// The polls of a crowd in line run no code of the room, and in a long sale there are billions of them.
// They are counted without being made. A page that waits for something that is w away asks again
// after a delay that w decides, so polls per second are one divided by the mean delay, and the polls
// of a visitor are the integral of that over the visit. By Wald's equation that is exact, for a mean
// that does not change, from one poll to another; visits begin with one and end with one.
//
// What is neglected: a page measures the pointer's speed from the statuses that it saw itself, here
// all pages know the same one; places are put into blocks of a second's worth; and between a delay
// that grows or shrinks and a constant one a page switches at a poll, here at once. A sample of pages
// that poll one by one shows what that makes (see Sample).

// The page's delays, taken from its rules so that they follow them.
var (
	shortest   = mean(page.PollDelay(0, 0), page.PollDelay(0, 1))
	longest    = mean(page.PollDelay(page.Forever, 0), page.PollDelay(page.Forever, 1))
	jitter     = page.PollDelay(page.Forever, 0).Seconds() / page.PollDelay(page.Forever, 1).Seconds()
	nearest    = page.PollDelay(0, 1).Seconds()                               // the delay before its jitter
	farthest   = page.PollDelay(page.Forever, 1).Seconds()                    // the same
	waitShare  = (page.PollDelay(10*time.Second, 1).Seconds() - nearest) / 10 // of the wait, on top of the nearest
	openShare  = (page.PollDelay(unmeasured, 1).Seconds() - nearest) / 10     // of the time since the line opened
	unmeasured = page.PollWait(page.Situation{Phase: room.Open, Position: math.MaxInt32, PerMinute: 1, Open: 10 * time.Second})
	shrinks    = meanLog(-waitShare)
	grows      = meanLog(openShare)
)

func mean(a, b time.Duration) float64 { return (a + b).Seconds() / 2 }

// meanLog is the mean of |ln(1 + share·u)|, u even from jitter to 1. A delay is share·u of a wait (or
// of the time since the line opened) and of nearest/share on top: from one poll to the next their sum
// shrinks (or grows) by that much, as a logarithm.
func meanLog(share float64) float64 {
	integral := func(v float64) float64 { return v*math.Log(v) - v } // of ln v
	return math.Abs((integral(1+share) - integral(1+share*jitter)) / share / (1 - jitter))
}

// pollsPerSecond is how often a page asks that waits for something wait seconds away and has seen the
// line open for open seconds. math.Inf(1) stands for a wait or an opening without an end, and a wait of
// 0 does not become less.
func pollsPerSecond(wait, open float64) float64 {
	switch far := min(waitShare*wait, openShare*open); {
	case wait == 0:
		return 1 / shortest
	case nearest+far >= farthest:
		return 1 / longest
	case openShare*open < waitShare*wait:
		return 1 / (grows * (open + nearest/openShare))
	}
	return 1 / (shrinks * (wait + nearest/waitShare))
}

// crowd estimates the polls of all who have joined.
type crowd struct {
	at    time.Duration // until when everything is summed
	block int64         // places

	unplaced int64 // who do not know their place
	called   int64 // whose turn has come, and who are not in yet
	line     int64 // who know their place, and wait

	perUnplaced float64   // polls a second of each
	perFar      float64   // of each whose block is not near
	sumUnplaced float64   // polls of one who was unplaced since the beginning
	sumFar      float64   // of one who was far
	sums        []float64 // of one in each block that is near, or was
	counts      []int32   // who wait, by block
	first, end  int64     // the blocks that are near: from the pointer to some ten minutes behind it
}

// view is what decides how often pages poll, in seconds and places a second.
type view struct {
	wait     float64 // of those who have no place: until the on-sale, or 0
	open     float64 // for how long the line has been seen open
	admitted int64
	speed    float64 // 0 while the pointer stands or nobody can tell
}

// unknownWait is the page's guess while the line stands.
const unknownWait = 120

// advance sums the polls from the latest moment until now and returns how many they are.
func (c *crowd) advance(now time.Duration, v view) float64 {
	seconds := (now - c.at).Seconds()
	c.at = now
	c.perUnplaced, c.perFar = pollsPerSecond(v.wait, math.Inf(1)), pollsPerSecond(unknownWait, v.open)
	if v.speed > 0 {
		c.perFar = pollsPerSecond(math.Inf(1), v.open)
		c.approach(v)
	}
	made := float64(c.unplaced)*c.perUnplaced + float64(c.called)/shortest
	near := int64(0)
	for b := c.first; b < c.end; b++ {
		per := c.perFar
		if v.speed > 0 {
			middle := float64(b*c.block-v.admitted) + float64(c.block)/2
			per = pollsPerSecond(max(0, middle)/v.speed, v.open)
		}
		c.sums[b] += seconds * per
		made += float64(c.counts[b]) * per
		near += int64(c.counts[b])
	}
	made += float64(c.line-near) * c.perFar
	c.sumUnplaced += seconds * c.perUnplaced
	c.sumFar += seconds * c.perFar
	return made * seconds
}

// approach moves the near blocks on: behind their end a wait is too long to make a difference.
func (c *crowd) approach(v view) {
	c.first = v.admitted / c.block
	end := (v.admitted+int64(v.speed*farthest/waitShare))/c.block + 1
	for ; c.end < end; c.end++ {
		c.grow(c.end)
		c.sums[c.end] = c.sumFar
	}
}

func (c *crowd) grow(block int64) {
	for int64(len(c.counts)) <= block {
		c.counts, c.sums = append(c.counts, 0), append(c.sums, 0)
	}
}

// sum is how many polls somebody at position would have made who had waited there since the beginning.
func (c *crowd) sum(position int64) float64 {
	if b := position / c.block; b < c.end {
		return c.sums[b]
	}
	return c.sumFar
}

// waiting is the same for somebody without a place, at a moment since the latest sum.
func (c *crowd) waiting(now time.Duration) float64 {
	return c.sumUnplaced + (now-c.at).Seconds()*c.perUnplaced
}

func (c *crowd) place(position int64) {
	c.grow(position / c.block)
	c.counts[position/c.block]++
	c.unplaced--
	c.line++
}

func (c *crowd) call(position int64) {
	c.counts[position/c.block]--
	c.line--
	c.called++
}
