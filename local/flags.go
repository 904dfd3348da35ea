package main

import (
	"flag"
	"fmt"
	"io"
)

// newFlags are those of a command. They print nothing by themselves: what is wrong is one line, and parseFlags
// writes the help.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parseFlags takes flags alone. It writes the help, which says what the command does and then its flags, if it is
// asked for, and returns flag.ErrHelp.
func parseFlags(flags *flag.FlagSet, args []string, help io.Writer, says string) error {
	err := flags.Parse(args)
	switch {
	case err == flag.ErrHelp:
		fmt.Fprintln(help, says)
		flags.SetOutput(help)
		flags.PrintDefaults()
		return err
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: flags only", flags.Arg(0))
	}
	return nil
}
