package hotshow

import (
	"fmt"
	"strings"
)

// Sentence says the change in one line of plain English, for comments and terminals.
func (c Change) Sentence() string {
	switch {
	case c.Step != "":
		return ended(fmt.Sprintf("Step %s %s", c.Step, c.Why))
	case c.From == "":
		return ended("The show was asked for, by " + c.By.Name())
	case c.Issue != "":
		return ended(fmt.Sprintf("The show was named in an issue of Jira, by %s: %s", c.By.Name(), c.Why))
	case c.By == Schedule && c.From == c.To:
		return ended(fmt.Sprintf("The show is %s still: %s", c.To, c.Why))
	case c.From == c.To:
		return ended(fmt.Sprintf("The request was changed, by %s: %s", c.By.Name(), c.Why))
	case c.By == Schedule:
		return ended(fmt.Sprintf("The show is %s now: %s", c.To, c.Why))
	case c.Why == string(c.To): // nobody gave a reason
		return ended(fmt.Sprintf("The show is %s now, by %s", c.To, c.By.Name()))
	}
	return ended(fmt.Sprintf("The show is %s now, by %s: %s", c.To, c.By.Name(), c.Why))
}

// ended is a sentence with its full stop.
func ended(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}
