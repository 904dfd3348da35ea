package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"waitingroom/local/cache"
	"waitingroom/local/exit"
	"waitingroom/local/shop"
	"waitingroom/local/surge"
	"waitingroom/local/virtual"
)

const (
	// prepare is what a room takes from its start until the pre-queue is open and known to be.
	prepare = 5 * time.Second
	// garbage is how far the heap may grow between two collections, in per cent: the crowd's part of it
	// lives as long as the surge, and going over it often would cost a core. In virtual time there may be
	// gigabytes of it, and nobody waits for an answer.
	garbage = 400
)

// runSurge sends a crowd to a room, judges what the room did with it and reports. The exit status is
// exit.Failed if a promise was broken, and exit.Interrupted if ctx ended it.
func runSurge(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseSurge(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "surge: %v (see surge -help)\n", err)
		return exit.Usage
	}
	if !o.virtual {
		debug.SetGCPercent(garbage)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if o.room.Chaos.On {
		log = slog.New(slog.DiscardHandler) // what goes wrong on purpose is in the report
	}
	if err := os.MkdirAll(o.folder, 0o755); err != nil {
		fmt.Fprintf(stderr, "surge: -report: %v\n", err)
		return exit.Failed
	}
	defer os.Remove(o.folder) // if there is no report
	report, err := o.send(ctx, stdout, log)
	if report != nil {
		err = errors.Join(err, o.write(report, stdout))
	}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil && report == nil:
		fmt.Fprintln(stdout, "interrupted before anybody came")
		return exit.Interrupted
	case err != nil:
		fmt.Fprintf(stderr, "surge: %v\n", err)
		return exit.Failed
	case ctx.Err() != nil:
		return exit.Interrupted
	case !report.Kept:
		return exit.Failed
	}
	return 0
}

// send has the crowd meet a room in virtual time, at an address, or in this process.
func (o *surgeOptions) send(ctx context.Context, progress io.Writer, log *slog.Logger) (*surge.Report, error) {
	o.crowd.OnSecond = surge.NewProgress(progress).OnSecond
	switch {
	case o.virtual:
		return o.imagine(ctx, progress, log)
	case o.crowd.URL != "":
		seen, err := surge.Run(ctx, o.crowd)
		if seen == nil {
			return nil, err
		}
		return surge.NewReport(seen, surge.Judge(seen), surge.Services{}, nil), err
	}
	return o.meet(ctx, progress, log)
}

// imagine holds the sale in virtual time.
func (o *surgeOptions) imagine(ctx context.Context, progress io.Writer, log *slog.Logger) (*surge.Report, error) {
	used := startUsage()
	result, err := virtual.Run(ctx, virtual.Options{
		Curve: o.crowd.Curve, NoShows: o.crowd.NoShows, Rate: o.crowd.Rate, Shards: o.room.Shards, Seed: o.crowd.Seed, Event: o.crowd.Event,
		Progress: o.virtualProgress(progress), Log: log,
	})
	if result.Log == nil {
		return nil, err
	}
	if ctx.Err() != nil {
		err = nil // the report says so
	}
	services := result.Services
	used.fill(&services)
	return surge.NewReport(result.Log, surge.Judge(result.Log), services, nil), err
}

func (o *surgeOptions) virtualProgress(w io.Writer) func(virtual.Progress) {
	began := time.Now()
	return func(p virtual.Progress) {
		if p.At%(30*time.Minute) < time.Minute {
			fmt.Fprintf(w, "%v of the sale in %v: arrived %d, joined %d, let in %d\n",
				p.At.Round(time.Minute), time.Since(began).Round(time.Second), p.Arrived, p.Joined, p.Admitted)
		}
	}
}

// meet starts a room in this process and sends the crowd there; then, if wanted, to its shop alone.
func (o *surgeOptions) meet(ctx context.Context, progress io.Writer, log *slog.Logger) (report *surge.Report, err error) {
	used := startUsage()
	o.room.OnSale = time.Now().Add(prepare + o.crowd.Lead()).Round(time.Second)
	started, err := Start(ctx, o.room, log)
	if err != nil {
		return nil, err
	}
	closed := false
	stop := func() error {
		if closed {
			return nil
		}
		closed = true
		return started.Close()
	}
	defer func() { err = errors.Join(err, stop()) }()

	crowd := o.crowd
	crowd.URL, crowd.Orders, crowd.Stale = started.Address(), true, o.room.Chaos.On && o.room.Chaos.Stale > 0
	var front *cache.Cache
	if o.cache != "" {
		if front, err = cache.Start(ctx, cache.Options{Program: o.cache, Origin: started.Address()}); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, front.Close()) }()
		crowd.Cache = front.Address()
	}
	heal := started.BeginTrouble(ctx)
	crowd.Close = func(ctx context.Context) error {
		heal()
		return started.CloseSale()
	}
	seen, err := surge.Run(ctx, crowd)
	heal()
	if seen == nil {
		return nil, err
	}
	services := started.Services()
	if front != nil {
		addTraffic(&services, front.Traffic())
	}
	err = errors.Join(err, stop())
	var without *surge.Log
	if o.compare && ctx.Err() == nil {
		fmt.Fprintln(progress, "now the same crowd without the room")
		var stormErr error
		without, stormErr = o.storm(ctx)
		err = errors.Join(err, stormErr)
	}
	used.fill(&services)
	// While there is no leader the line stands still, and more than two seconds of it are not made up for.
	verdict := surge.Limits{Takeovers: started.Killed()}.Judge(seen)
	return surge.NewReport(seen, verdict, services, without), err
}

// storm sends the crowd to a shop of the same capacity without a room in front of it.
func (o *surgeOptions) storm(ctx context.Context) (log *surge.Log, err error) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := "http://" + reachable(l)
	alone, err := shop.New(shop.Options{Room: address, Address: address + shop.Path, Event: o.crowd.Event, Capacity: o.room.ShopCapacity})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: alone.Ungated(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		err = errors.Join(err, server.Close())
		<-served // ErrServerClosed
	}()
	crowd := o.crowd
	crowd.Shop = address + shop.Path
	return surge.Storm(ctx, crowd)
}

// write prints the report and leaves it in the folder, as JSON and as a chart.
func (o *surgeOptions) write(report *surge.Report, stdout io.Writer) error {
	if err := report.WriteText(stdout); err != nil {
		return err
	}
	for _, document := range []struct {
		name  string
		write func(io.Writer) error
	}{{"surge.json", report.WriteJSON}, {"surge.svg", report.WriteSVG}, {"surge.png", report.WritePNG}} {
		if err := writeFile(filepath.Join(o.folder, document.name), document.write); err != nil {
			return fmt.Errorf("-report: %w", err)
		}
	}
	_, err := fmt.Fprintf(stdout, "\nThe figures are in %[1]s, the chart in %[2]s and %[3]s.\n",
		filepath.Join(o.folder, "surge.json"), filepath.Join(o.folder, "surge.svg"), "surge.png")
	return err
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
