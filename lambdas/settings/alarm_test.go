package settings_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"waitingroom/shared/room"
)

// checkMail checks what SNS takes, and what a mail program shows.
func checkMail(t *testing.T, in *sns.PublishInput) {
	t.Helper()
	printable := func(text string) bool {
		return !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
	}
	if subject := aws.ToString(in.Subject); len(subject) >= 100 || !printable(subject) || !strings.HasPrefix(subject, "Waiting room: ") {
		t.Errorf("subject %q", subject)
	}
	text := aws.ToString(in.Message)
	if len(text) >= 256<<10 || !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' }) {
		t.Errorf("text of %d bytes: %q", len(text), text)
	}
}

func TestManyBadOnesAreOneMail(t *testing.T) {
	texts := demo()
	for i := range 400 {
		texts[fmt.Sprintf("%d%s", i, strings.Repeat("x", 900))] = strings.Repeat("\U000e0001", 100)
	}
	w := newWorld(texts)
	w.run(t, waiting())
	if err := w.tell(t, "/waiting-room/demo/rate", "Update"); err != nil {
		t.Fatal(err)
	}
	if mail := w.mail(t); !strings.Contains(mail, "400 parameters of demo") || !strings.Contains(mail, "and 350 more") {
		t.Error("the mail does not say how many there are")
	}
	checkMail(t, w.mails[0])
	if w.counted(t) != 400 || w.warnings() != 400 {
		t.Errorf("%d counted, %d logged", w.counted(t), w.warnings())
	}
}

func TestSecretsStayOut(t *testing.T) {
	for _, c := range []struct {
		name, text string
		secure     bool
		reason     string
	}{
		{"target", "https://user:hunter2@shop.example", false, "holds a user name or password"},
		{"target", "https://shop.example/?waitingroom_pass=hunter2", false, "waitingroom_pass"},
		{"target", "hunter2", false, "is not the https address of a checkout"},
		{"rate", "https://user:hunter2@shop.example", false, "is not a whole number"},
		{"Target", "https://user:hunter2@shop.example", false, "there is no such parameter"},
		{"rate", "hunter2", true, "is a SecureString"},
		{"message", "hunter2", true, "is a SecureString"},
		{"onsale", "hunter2", true, "is a SecureString"},
		{"no-such-thing", "hunter2", true, "there is no such parameter"},
		{"shards", "hunter2", true, "is a SecureString"},
	} {
		for _, st := range []room.State{waiting(), open(), closed()} {
			w := newWorld(with(demo(), c.name, c.text))
			w.run(t, st)
			if c.secure {
				w.secure = "/waiting-room/demo/" + c.name
			}
			if err := w.tell(t, "/waiting-room/demo/"+c.name, "Update"); err != nil {
				t.Fatal(err)
			}
			mail := w.mail(t)
			if strings.Contains(mail+w.log.String()+w.metrics.String(), "hunter2") {
				t.Errorf("%s %q: told\n%s\n%s", c.name, c.text, mail, &w.log)
			}
			if !strings.Contains(mail, c.reason) || c.secure && !strings.Contains(mail, "(not shown, it may hold a secret)") {
				t.Errorf("%s %q: mail\n%s", c.name, c.text, mail)
			}
			checkMail(t, w.mails[0])
		}
	}
}
