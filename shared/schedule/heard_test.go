package schedule_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/schedule"
)

// jiraIssue is the id of an issue whose webhooks tests tell of, by their time.
const jiraIssue = "10042"

func at(ms int64) schedule.Webhook { return schedule.Webhook{Issue: jiraIssue, At: ms} }

func heard(t *testing.T, s *schedule.Schedule, want int64) {
	t.Helper()
	if got, err := s.Heard(t.Context(), jiraIssue); err != nil || got != want {
		t.Errorf("heard of at %d, want %d: %v", got, want, err)
	}
}

func TestWhatWasHeardOnlyGetsLater(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, ctx := schedule.New(client, table), t.Context()
		heard(t, s, 0)
		for _, step := range []struct{ at, want int64 }{{2000, 2000}, {1000, 2000}, {2000, 2000}, {3000, 3000}} {
			if err := s.Hear(ctx, at(step.at)); err != nil {
				t.Fatal(err)
			}
			heard(t, s, step.want)
		}
		if got, err := s.Heard(ctx, "10043"); err != nil || got != 0 {
			t.Errorf("another issue was heard of at %d, %v", got, err)
		}
	})
}

// A show comes of a webhook only if the issue has not been heard of since, and then that is kept with it.
func TestShowsOfWebhooks(t *testing.T) {
	onEveryTable(t, func(t *testing.T, client *dynamodb.Client, table string) {
		s, ctx := schedule.New(client, table), t.Context()
		if err := s.Hear(ctx, at(2000)); err != nil {
			t.Fatal(err)
		}
		show, first := newShow("jira-"+jiraIssue, "winter-tour", onsale)
		for _, ms := range []int64{1000, 2000} {
			if err := s.AddHeard(ctx, show, first, at(ms)); !errors.Is(err, schedule.ErrExists) {
				t.Errorf("added for the webhook of %d: %v", ms, err)
			}
		}
		if _, err := s.Show(ctx, show.ID); !errors.Is(err, schedule.ErrNotFound) {
			t.Errorf("a show was kept: %v", err)
		}
		if err := s.AddHeard(ctx, show, first, at(3000)); err != nil {
			t.Fatal(err)
		}
		heard(t, s, 3000)

		named := add(t, s, "a", "summer", onsale)
		decides := named.DecideIn("SHOW-12", asker, now)
		for _, ms := range []int64{2000, 3000} {
			if err := s.SaveHeard(ctx, &named, at(ms), decides); !errors.Is(err, schedule.ErrStale) || read(t, s, "a").Jira != nil {
				t.Errorf("decided about in the webhook of %d: %v", ms, err)
			}
		}
		if err := s.SaveHeard(ctx, &named, at(4000), decides); err != nil {
			t.Fatal(err)
		}
		heard(t, s, 4000)
		if got := read(t, s, "a"); got.Jira == nil || got.Version != named.Version || named.Version != 2 {
			t.Errorf("%+v", got)
		}
		// What is refused for the show's sake leaves the issue unheard.
		stale := named
		stale.Version--
		if err := s.SaveHeard(ctx, &stale, at(5000)); !errors.Is(err, schedule.ErrStale) {
			t.Error(err)
		}
		again, first := newShow("b", "winter-tour", onsale)
		var taken *schedule.Taken
		if err := s.AddHeard(ctx, again, first, at(5000)); !errors.As(err, &taken) {
			t.Error(err)
		}
		heard(t, s, 4000)
	})
}

// A webhook that is kept and an earlier one's show exclude each other, or the show is there to be seen.
func TestShowsAndWebhooksAtOnce(t *testing.T) {
	client, table := newTable(t)
	s := schedule.New(client, table)
	for i := range 20 {
		w := schedule.Webhook{Issue: strconv.Itoa(i), At: 1000}
		show, first := newShow("jira-"+w.Issue, "event-"+w.Issue, onsale)
		var added, seen error
		var all sync.WaitGroup
		all.Go(func() { added = s.AddHeard(t.Context(), show, first, w) })
		all.Go(func() {
			if err := s.Hear(t.Context(), schedule.Webhook{Issue: w.Issue, At: 2000}); err != nil {
				t.Error(err)
			}
			_, seen = s.Show(t.Context(), show.ID)
		})
		all.Wait()
		if refused, missed := errors.Is(added, schedule.ErrExists), errors.Is(seen, schedule.ErrNotFound); refused != missed {
			t.Errorf("the show was added: %v; whoever heard of a later webhook looked for it: %v", added, seen)
		}
	}
}

// The table forgets an issue, and only after the longest time in which an old webhook is believed.
func TestWhatWasHeardIsForgotten(t *testing.T) {
	client, table := newTable(t)
	s := schedule.New(client, table)
	if err := s.Hear(t.Context(), at(now.UnixMilli())); err != nil {
		t.Fatal(err)
	}
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(table), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "HOTSHOWJIRA#" + jiraIssue}, "sk": &types.AttributeValueMemberS{Value: "HEARD"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ttl, ok := out.Item["ttl"].(*types.AttributeValueMemberN)
	if want := strconv.FormatInt(now.Add(24*time.Hour).Unix(), 10); !ok || ttl.Value != want {
		t.Errorf("kept until %v, want %s", out.Item["ttl"], want)
	}
}

// What was heard before an answer got lost is heard once, and so is the show that came of it.
func TestLostAnswersToWebhooks(t *testing.T) {
	client, table := newTable(t)
	lossy := &losing{HTTPClient: client.Options().HTTPClient}
	s := schedule.New(dynamodb.New(client.Options(), func(o *dynamodb.Options) { o.HTTPClient = lossy }), table)
	show, first := newShow("a", "winter-tour", onsale)
	if err := s.AddHeard(t.Context(), show, first, at(1000)); err != nil {
		t.Errorf("added with a lost answer: %v", err)
	}
	show = read(t, s, "a")
	if err := s.SaveHeard(t.Context(), &show, at(2000)); err != nil {
		t.Errorf("saved with a lost answer: %v", err)
	}
	if err := s.Hear(t.Context(), at(3000)); err != nil || lossy.lost != 3 {
		t.Errorf("heard with a lost answer: %v; %d were lost", err, lossy.lost)
	}
	heard(t, s, 3000)
}
