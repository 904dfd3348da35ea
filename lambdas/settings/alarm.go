package settings

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"waitingroom/shared/settings"
)

// Topics is what is needed of *sns.Client.
type Topics interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Alarm is where people are told of bad settings.
type Alarm struct {
	Topics Topics
	Topic  string // ARN
	Room   string // tells a team which of its rooms it is
}

const (
	// longestSubject is in characters: SNS takes less than 100, and no line break.
	// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
	longestSubject = 99
	// mostRejections keeps a message below the 256 KB that SNS takes: one has 3 KB at most.
	mostRejections = 50
)

func (a Alarm) publish(ctx context.Context, n notice) error {
	_, err := a.Topics.Publish(ctx, &sns.PublishInput{
		TopicArn: aws.String(a.Topic),
		Subject:  aws.String(n.subject()),
		Message:  aws.String(n.text(a.Room)),
	})
	return err
}

// notice is what one message says: which parameters are not used, seen after a change.
type notice struct {
	event    string // empty if the parameter belongs to none
	change   Change
	path     string            // of all events
	set      map[string]string // what the event's parameters are
	rejected []settings.Rejection
}

// subject is ASCII. Where a name is too long for it, the text has it whole.
func (n notice) subject() string {
	names := map[string]bool{}
	for _, r := range n.rejected {
		names[r.Parameter] = true
	}
	first := n.rejected[0].Parameter
	subject := fmt.Sprintf("Waiting room: %+q of %s is not used", first, n.event)
	switch {
	case n.event == "":
		subject = fmt.Sprintf("Waiting room: %+q is not used", first)
	case len(names) > 1:
		subject = fmt.Sprintf("Waiting room: %d parameters of %s are not used", len(names), n.event)
	}
	if len(subject) > longestSubject {
		subject = subject[:longestSubject-3] + "..."
	}
	return subject
}

func (n notice) text(room string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "The waiting room %s looked at its settings after %s (%s).\nIt does not use:\n",
		room, n.change.Name, n.change.Operation)
	for i, r := range n.rejected {
		if i == mostRejections {
			fmt.Fprintf(&text, "\nand %d more, which are in the function's log\n", len(n.rejected)-i)
			break
		}
		fmt.Fprintf(&text, "\n%s\n  value:  %s\n  reason: %s\n", n.wholeName(r), n.value(r), r.Reason)
	}
	text.WriteString("\nAll else goes on as before, and nobody loses a place.\n")
	if n.event == "" {
		fmt.Fprintf(&text, "Delete the parameter, and set what was meant as %s<event>/<parameter>.\n", n.path)
		return text.String()
	}
	text.WriteString("Set it right or delete it in Parameter Store, as the reason says. A right value is in force within ten\n" +
		"seconds, the first ones of a new event within two minutes; there is no message when all is well.\n")
	return text.String()
}

// wholeName is the parameter's in Parameter Store.
func (n notice) wholeName(r settings.Rejection) string {
	if n.event == "" {
		return r.Parameter
	}
	return n.path + n.event + "/" + r.Parameter
}

// value is the rejected one in a line of printable characters, or why there is none.
func (n notice) value(r settings.Rejection) string {
	_, set := n.set[r.Parameter]
	switch {
	case r.Value != "":
		return fmt.Sprintf("%q", r.Value)
	case set:
		return "(not shown, it may hold a secret)"
	case n.event == "":
		return "(not read)"
	}
	return "(none)"
}
