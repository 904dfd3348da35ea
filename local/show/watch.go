package show

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	api "waitingroom/lambdas/hotshow"
)

const (
	// between is the time from one answer to the next question.
	between = 2 * time.Second
	// longestPause is the longest time to the next question while the API does not answer.
	longestPause = 30 * time.Second
)

// sight is what one look at a show has seen.
type sight struct {
	at       time.Time
	show     api.Detailed
	sale     *api.Sale // nil if it is not known
	saleAt   time.Time // of what the sale's status says; zero if there is none
	saleText string
	err      error // of the show; sale and saleText mean nothing then

	showJSON, saleJSON []byte
}

// failed says that the API is in trouble: the next look has to wait for longer.
func (s sight) failed() bool { return s.err != nil }

// look asks for the show and its sale. Without the show, the sale is not asked for.
func (c *Client) look(ctx context.Context, id string) sight {
	seen := sight{}
	answer, err := c.Show(ctx, id)
	seen.at = c.now()
	if err != nil {
		seen.err = err
		return seen
	}
	if seen.show, seen.err = readShow(answer); seen.err != nil {
		return seen
	}
	seen.showJSON = answer
	answer, err = c.Sale(ctx, id)
	seen.at = c.now()
	var p *Problem
	switch {
	case errors.As(err, &p) && !p.Passing():
		// There is no sale yet, or no longer: nothing is wrong with the API.
		seen.saleText = p.Error()
	case err != nil:
		seen.err = err
	default:
		seen.saleJSON = answer
		seen.sale = &api.Sale{}
		if json.Unmarshal(answer, seen.sale) != nil {
			seen.sale, seen.err = nil, errUnreadable
			break
		}
		// A time that cannot be read is like none: the rate is shown, and not drawn.
		seen.saleAt, _ = time.Parse(time.RFC3339, seen.sale.Time)
	}
	return seen
}

// pause is the time to the next question after so many failures in a row.
func pause(failures int) time.Duration {
	return min(between<<min(failures, 10), longestPause)
}

func watchVerb(c *command, _ *flag.FlagSet) action {
	return func(ctx context.Context, ids []string) error {
		if err := c.connect(ctx); err != nil {
			return err
		}
		// A show that does not exist, or that the caller may not see, will not appear by waiting.
		first := c.client.look(ctx, ids[0])
		var p *Problem
		if errors.As(first.err, &p) && !p.Passing() {
			return first.err
		}
		// A dumb terminal cannot be drawn on.
		if file, ok := c.stdout.(*os.File); ok && !c.json && term.IsTerminal(file.Fd()) && os.Getenv("TERM") != "dumb" {
			return c.view(ctx, ids[0], file, first)
		}
		return c.tell(ctx, ids[0], first)
	}
}

// view shows the sale on a terminal until somebody ends it.
func (c *command) view(ctx context.Context, id string, terminal io.Writer, first sight) error {
	// Any NO_COLOR that is not empty counts (no-color.org); the library would heed a few values only.
	m := newModel(os.Getenv("NO_COLOR") == "", c.now(), func() tea.Msg { return c.client.look(ctx, id) })
	m = m.see(first)
	program := tea.NewProgram(m, tea.WithOutput(terminal), tea.WithoutSignalHandler())
	// The library does not get the context: at its end it would close what it is still reading keys from.
	defer context.AfterFunc(ctx, program.Quit)()
	if _, err := program.Run(); err != nil {
		return err
	}
	return ctx.Err()
}

// tell writes one line for each change until the show is over.
func (c *command) tell(ctx context.Context, id string, seen sight) error {
	var last string
	failures := 0
	for {
		if seen.failed() {
			failures++
		} else {
			failures = 0
		}
		text := c.news(seen)
		if text != last {
			if _, err := fmt.Fprintf(c.stdout, "%s\n", c.dated(seen, text)); err != nil {
				return err
			}
			last = text
		}
		if !seen.failed() && seen.show.State.Final() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.after(pause(failures)):
		}
		seen = c.client.look(ctx, id)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// news is what there is to say of a sight: the same text means that nothing has changed.
func (c *command) news(seen sight) string {
	switch {
	case c.json && seen.failed():
		return jsonLine(map[string]any{"error": seen.err.Error()})
	case c.json:
		return jsonLine(map[string]any{"show": json.RawMessage(seen.showJSON), "sale": orNull(seen.saleJSON)})
	case seen.failed():
		return fmt.Sprintf("no answer: %v; asking again", seen.err)
	}
	return oneLine(summary(seen))
}

func (c *command) dated(seen sight, text string) string {
	if c.json {
		return text
	}
	return seen.at.Format("15:04:05") + " " + text
}

// orNull is a document, or JSON's null.
func orNull(document []byte) any {
	if document == nil {
		return nil
	}
	return json.RawMessage(document)
}

// jsonLine is a document in one line: all that it is made of is JSON already.
func jsonLine(document any) string {
	line, err := json.Marshal(document)
	if err != nil {
		return `{"error":"the answer is not JSON"}`
	}
	return string(line)
}
