package schedule

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/hotshow"
)

// Webhook is one of an issue in Jira.
type Webhook struct {
	Issue string // the issue's id, which is digits; its key may change
	At    int64  // Unix milliseconds by Jira's clock
}

// keptHeard is how long the item of an issue is kept after its latest webhook. Whoever asks has to refuse
// older ones by themselves.
const keptHeard = 24 * time.Hour

const heardAttribute = "heard"

func heardKey(issue string) key { return key{"HOTSHOWJIRA#" + issue, "HEARD"} }

// Heard is the time of the latest webhook of an issue that was kept within a day, in Unix milliseconds; 0 if
// none was.
func (s *Schedule) Heard(ctx context.Context, issue string) (int64, error) {
	found, err := s.get(ctx, heardKey(issue))
	if err != nil || len(found) == 0 {
		return 0, failed("read what was heard of an issue", err)
	}
	at, err := number(found, heardAttribute)
	return at, failed("read what was heard of an issue", err)
}

// Hear keeps that a webhook was heard. One that is not later than another changes nothing and is no error.
func (s *Schedule) Hear(ctx context.Context, w Webhook) error {
	err := again(ctx, func() error { return s.write(ctx, s.hear(w)) })
	if refused(err) {
		return nil
	}
	return failed("keep what was heard of an issue", err)
}

// AddHeard is Add for a show that a webhook asks for, and Hear, together or not at all. ErrExists also means
// that the issue has been heard of at that time or later: look at both again.
func (s *Schedule) AddHeard(ctx context.Context, show hotshow.Show, first hotshow.Change, w Webhook) error {
	return s.add(ctx, show, first, s.hear(w))
}

// SaveHeard is Save for a show that a webhook is the first to decide about, and Hear, together or not at all.
// ErrStale also means that the issue has been heard of at that time or later: look at both again.
func (s *Schedule) SaveHeard(ctx context.Context, show *hotshow.Show, w Webhook, changes ...hotshow.Change) error {
	return s.save(ctx, show, changes, s.hear(w))
}

// hear moves the time of an issue, only ever to a later one.
func (s *Schedule) hear(w Webhook) types.TransactWriteItem {
	later := condition{"attribute_not_exists(heard) OR heard < :heard", attributes{":heard": numberOf(w.At)}}
	return s.put(heardKey(w.Issue), later, attributes{
		heardAttribute: numberOf(w.At), "ttl": numberOf(time.UnixMilli(w.At).Add(keptHeard).Unix()),
	})
}
