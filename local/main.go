// Command local runs the whole waiting room on one machine: the page, the API, status and seals,
// tick, a demo shop, a DynamoDB-compatible engine and Parameter Store, all in one process. The
// functions' handlers are those that run in Lambda and they speak to the stores through the AWS
// SDK; only the endpoints differ. Its command surge sends a crowd to a room and judges the outcome,
// plan says what a sale needs and costs, and show asks for hot shows and watches them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"waitingroom/local/exit"
	"waitingroom/local/show"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx ends, or sends a crowd, and returns the exit status. What went wrong is one
// line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "surge" {
		return runSurge(ctx, args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "plan" {
		return runPlan(args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "show" {
		return show.Run(ctx, args[1:], stdout, stderr)
	}
	options, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "local: %v (see -help)\n", err)
		return exit.Usage
	}
	room, err := Start(ctx, options, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		fmt.Fprintf(stderr, "local: %v\n", err)
		return exit.Failed
	}
	fmt.Fprint(stdout, room.Welcome())
	<-ctx.Done()
	fmt.Fprintln(stdout, "stopping")
	if err := room.Close(); err != nil {
		fmt.Fprintf(stderr, "local: %v\n", err)
		return exit.Failed
	}
	return 0
}
