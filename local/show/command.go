package show

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	api "waitingroom/lambdas/hotshow"
	"waitingroom/local/exit"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/names"
)

// EnvAddress names the API's address where -url does not.
const EnvAddress = "WAITING_ROOM_HOTSHOWS"

const defaultAddress = "http://127.0.0.1:8082"

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// command is one call of the program.
type command struct {
	url, region string
	json        bool
	client      *Client
	stdout      io.Writer
	now         func() time.Time
	after       func(time.Duration) <-chan time.Time
}

// verb is what can be done with shows.
type verb struct {
	name, arguments, says string
	prepare               func(c *command, flags *flag.FlagSet) action
}

// action does it. ids are the arguments that are no flags.
type action func(ctx context.Context, ids []string) error

func verbs() []verb {
	return []verb{
		{"ask", "", "asks for a hot show", askVerb},
		{"approve", "ID", "approves a show that somebody else has asked for", decideVerb(names.PathHotShowApprove)},
		{"reject", "ID", "rejects a show that was asked for", decideVerb(names.PathHotShowReject)},
		{"cancel", "ID", "cancels a show before its on-sale", decideVerb(names.PathHotShowCancel)},
		{"list", "", "lists the shows, those that have ended last", listVerb},
		{"show", "ID", "shows everything about a show", showVerb},
		{"watch", "ID", "watches a show and its sale", watchVerb},
	}
}

// Run does what args say and returns the exit status. What went wrong is one line.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := run(ctx, args, stdout)
	var mistake *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &mistake):
		fmt.Fprintf(stderr, "show: %s (see show -help)\n", mistake.text)
		return exit.Usage
	case ctx.Err() != nil:
		return exit.Interrupted
	}
	fmt.Fprintf(stderr, "show: %v\n", err)
	return exit.Failed
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return usage("say what to do: %s", verbNames())
	}
	if slices.Contains([]string{"help", "-help", "--help", "-h"}, args[0]) {
		return writeHelp(stdout)
	}
	i := slices.IndexFunc(verbs(), func(v verb) bool { return v.name == args[0] })
	if i < 0 {
		return usage("%q is not one of %s", printable(args[0]), verbNames())
	}
	v := verbs()[i]
	c := &command{stdout: stdout, now: time.Now, after: time.After}
	flags := flag.NewFlagSet(v.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.url, "url", cmp.Or(os.Getenv(EnvAddress), defaultAddress), "`address` of the hot shows' API; also "+EnvAddress)
	flags.StringVar(&c.region, "region", "", "the API's AWS `region`, where neither its address nor your configuration says it")
	flags.BoolVar(&c.json, "json", false, "print the API's answer as it is")
	do := v.prepare(c, flags)
	ids, err := parse(flags, args[1:])
	switch {
	case err == flag.ErrHelp:
		fmt.Fprintf(stdout, "go run ./local show %s %s.\n", strings.TrimSpace(v.name+" "+v.arguments), v.says)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return nil
	case err != nil:
		return usage("%s: %v", v.name, err)
	case v.arguments == "" && len(ids) > 0:
		return usage("%s: unexpected argument %q: flags only", v.name, printable(ids[0]))
	case v.arguments != "" && len(ids) != 1:
		return usage("%s: give the id of one show", v.name)
	case v.arguments != "" && !hotshow.ValidID(ids[0]):
		return usage("%s: %q is not the id of a show", v.name, printable(ids[0]))
	}
	return do(ctx, ids)
}

// connect is called when everything that can be wrong with the command line has been looked at.
func (c *command) connect(ctx context.Context) error {
	if c.client != nil {
		return nil
	}
	var err error
	c.client, err = NewClient(ctx, c.url, c.region)
	return err
}

// parse takes flags before and after the other arguments.
func parse(flags *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return others, nil
		}
		others = append(others, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

func verbNames() string {
	var all []string
	for _, v := range verbs() {
		all = append(all, v.name)
	}
	return strings.Join(all, ", ")
}

func writeHelp(w io.Writer) error {
	fmt.Fprintln(w, "go run ./local show asks for hot shows, approves and watches them, with your AWS credentials.")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-12s %s\n", strings.TrimSpace(v.name+" "+v.arguments), v.says)
	}
	_, err := fmt.Fprintf(w, "Flags of each: go run ./local show ask -help. The API is at -url or %s, otherwise at %s.\n", EnvAddress, defaultAddress)
	return err
}

// titles are a show's names by language, as -name gives them.
type titles map[string]string

var titled = regexp.MustCompile(`^([a-z]{2,3}(?:-[A-Za-z0-9]{1,8})*)=(.*)$`)

// String is for the flag package.
func (t titles) String() string { return "" }

// Set takes "en=Winter tour", or a name alone, which is in English.
func (t titles) Set(text string) error {
	language, title := "en", text
	if found := titled.FindStringSubmatch(text); found != nil {
		language, title = found[1], found[2]
	}
	if title == "" {
		return errors.New("a name is empty")
	}
	if _, given := t[language]; given {
		return fmt.Errorf("two names are given for the language %s", language)
	}
	t[language] = title
	return nil
}

// asked are the flags of ask. What is left out is the API's to fill in.
type asked struct {
	file, event, onsale, prequeue, closes, over, target, readyBefore, keepAfter string
	visitors, rate                                                              int
	names                                                                       titles
}

func askVerb(c *command, flags *flag.FlagSet) action {
	a := &asked{names: titles{}}
	flags.StringVar(&a.file, "file", "", "`file` with the request as JSON, in place of all other flags about the show")
	flags.StringVar(&a.event, "event", "", "the event's `name` in its address")
	flags.Var(a.names, "name", "the show's `name` for people, as in \"Winter tour\" or \"de=Wintertour\"; once for each language")
	flags.StringVar(&a.onsale, "onsale", "", "`when` the sale opens: RFC 3339 with offset, as in 2026-11-28T10:00:00+01:00")
	flags.StringVar(&a.prequeue, "prequeue", "", "`when` people can begin to come; otherwise 30 minutes before the on-sale")
	flags.StringVar(&a.closes, "closes", "", "`when` the event closes; otherwise 24 hours after the on-sale")
	flags.IntVar(&a.visitors, "visitors", 0, "`number` of visitors who are expected")
	flags.StringVar(&a.over, "over", "", "`time` in which they come, as in 60s")
	flags.IntVar(&a.rate, "rate", 0, "`visitors` a minute that the shop can bear")
	flags.StringVar(&a.target, "target", "", "https `address` of the shop's checkout")
	flags.StringVar(&a.readyBefore, "ready-before", "", "how `long` before the on-sale everything has to be ready; otherwise 1h")
	flags.StringVar(&a.keepAfter, "keep-after", "", "how `long` after the on-sale everything is kept up; otherwise 4h")
	return func(ctx context.Context, _ []string) error {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		body, err := a.request(given)
		if err != nil {
			return err
		}
		if err := c.connect(ctx); err != nil {
			return err
		}
		answer, err := c.client.Ask(ctx, body)
		if err != nil {
			return err
		}
		return c.print(answer, func(s api.Detailed) { writeAsked(c.stdout, s, c.now()) })
	}
}

// about are ask's flags by the members of a request.
func (a *asked) about() map[string]any {
	return map[string]any{
		"event": a.event, "names": a.names, "onsale": a.onsale, "prequeue": a.prequeue, "closes": a.closes, "visitors": a.visitors,
		"over": a.over, "rate": a.rate, "target": a.target, "ready_before": a.readyBefore, "keep_after": a.keepAfter,
	}
}

// flagOf is the flag that gives a member of a request.
func flagOf(member string) string {
	if member == "names" {
		return "name"
	}
	return strings.ReplaceAll(member, "_", "-")
}

// required are the members that have no default.
var required = []string{"event", "names", "onsale", "visitors", "over", "rate", "target"}

// request is the JSON to send: the file's, or made of the flags that were given.
func (a *asked) request(given map[string]bool) ([]byte, error) {
	document := map[string]any{}
	for _, member := range slices.Sorted(maps.Keys(a.about())) {
		if name := flagOf(member); given[name] {
			if given["file"] {
				return nil, usage("ask: -%s: the request is in -file, leave one of the two out", name)
			}
			document[member] = a.about()[member]
		}
	}
	if given["file"] {
		body, err := os.ReadFile(a.file)
		if err != nil {
			return nil, usage("ask: -file: %v", err)
		}
		return body, nil
	}
	var missing []string
	for _, member := range required {
		if _, ok := document[member]; !ok {
			missing = append(missing, "-"+flagOf(member))
		}
	}
	if missing != nil {
		return nil, usage("ask: missing: %s", strings.Join(missing, ", "))
	}
	return json.Marshal(document)
}

func decideVerb(path string) func(*command, *flag.FlagSet) action {
	return func(c *command, flags *flag.FlagSet) action {
		why := flags.String("why", "", "the `reason`, which is kept with the show")
		changes := flags.Int("changes", 0, "the `number` of changes that show tells, to be refused if there are others by now; 0: whatever there is")
		return func(ctx context.Context, ids []string) error {
			if *changes < 0 {
				return usage("-changes: %d is no number of changes: show tells it", *changes)
			}
			if err := c.connect(ctx); err != nil {
				return err
			}
			answer, err := c.client.Decide(ctx, path, ids[0], *why, *changes)
			if err != nil {
				return err
			}
			return c.print(answer, func(s api.Detailed) { writeDecided(c.stdout, s, c.now()) })
		}
	}
}

func listVerb(c *command, flags *flag.FlagSet) action {
	state := flags.String("state", "", "list only shows in this `state`")
	event := flags.String("event", "", "list only shows of the event of this `name`")
	limit := flags.Int("limit", 0, "list this `number` of shows at most; 0: all, first the open ones by their on-sale, then those that have ended, the latest first")
	return func(ctx context.Context, _ []string) error {
		if *state != "" && !slices.Contains(hotshow.States(), hotshow.State(*state)) {
			return usage("list: -state: %q is none of %s", printable(*state), stateNames())
		}
		if *limit < 0 {
			return usage("list: -limit: %d is no number of shows", *limit)
		}
		if err := c.connect(ctx); err != nil {
			return err
		}
		answer, err := c.client.List(ctx, *state, *event, *limit)
		if err != nil {
			return err
		}
		if c.json {
			return c.raw(answer)
		}
		return writeList(c.stdout, answer)
	}
}

func stateNames() string {
	var all []string
	for _, s := range hotshow.States() {
		all = append(all, string(s))
	}
	return strings.Join(all, ", ")
}

func showVerb(c *command, _ *flag.FlagSet) action {
	return func(ctx context.Context, ids []string) error {
		if err := c.connect(ctx); err != nil {
			return err
		}
		answer, err := c.client.Show(ctx, ids[0])
		if err != nil {
			return err
		}
		return c.print(answer, func(s api.Detailed) { writeShow(c.stdout, s, c.now()) })
	}
}

// print writes a show's JSON as it is, or as people read it.
func (c *command) print(answer []byte, people func(api.Detailed)) error {
	if c.json {
		return c.raw(answer)
	}
	s, err := readShow(answer)
	if err != nil {
		return err
	}
	people(s)
	return nil
}

func (c *command) raw(answer []byte) error {
	_, err := fmt.Fprintf(c.stdout, "%s\n", strings.TrimSpace(string(answer)))
	return err
}

func readShow(answer []byte) (api.Detailed, error) {
	var s api.Detailed
	if err := json.Unmarshal(answer, &s); err != nil || s.ID == "" {
		return s, errUnreadable
	}
	return s, nil
}

var errUnreadable = errors.New("the answer is not one of the hot shows' API: check -url")
