package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"waitingroom/cdk/waitingroom"
)

// options are what the room's team asked for with -c or in cdk.json.
type options struct {
	props waitingroom.Props
	edge  waitingroom.EdgeProps // what is to be made in us-east-1
}

func (o options) needsEdge() bool { return o.edge.Domain != "" || o.edge.WebACL != nil }

// createWebACL is the value of webacl that asks for a web ACL in the place of naming one.
const createWebACL = "create"

// reader reads contexts and gathers what is wrong with them.
type reader struct {
	context func(key string) string
	errs    []error
}

// readOptions reads all contexts. The error has a line for each that is wrong. What depends on
// nothing but its own prop is left to the construct to check.
func readOptions(context func(key string) string) (options, error) {
	r := &reader{context: context}
	o := options{props: waitingroom.Props{
		Functions:    "dist",
		Page:         "static",
		AlarmAddress: context("alarm-address"),
		Runbook:      context("runbook"),
		PassKey:      waitingroom.PassKey(context("pass-key")),
		OriginKey:    context("origin-key"),
		Removal:      awscdk.RemovalPolicy(strings.ToUpper(context("removal"))),
	}}
	r.readDomain(&o)
	r.readWebACL(&o)
	r.readWarm(&o)
	r.readRetention(&o)
	r.readShards(&o)
	r.readHotShows(&o)
	return o, errors.Join(r.errs...)
}

func (r *reader) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// number also says whether a number was given at all.
func (r *reader) number(key string) (value int, given bool) {
	text := r.context(key)
	if text == "" {
		return 0, false
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		r.fail("%s cannot be %q: give a whole number without separators", key, text)
	}
	return value, err == nil
}

// readShards refuses the 0 that the construct would take for nothing given.
func (r *reader) readShards(o *options) {
	shards, given := r.number("shards")
	if given && shards == 0 {
		r.fail("shards cannot be 0: give 1 to 128, or nothing for 16")
	}
	o.props.Shards = shards
}

// readDomain takes a domain with the certificate that the team has, or with the zone in which one
// can be had: CloudFront accepts no name without its certificate.
func (r *reader) readDomain(o *options) {
	domain, certificate, zone := r.context("domain"), r.context("certificate"), r.context("zone")
	switch {
	case domain == "" && (certificate != "" || zone != ""):
		r.fail("certificate and zone are for a domain: add -c domain=<host name>")
	case domain == "":
	case certificate == "" && zone == "":
		r.fail("domain needs its certificate: add -c certificate=<ARN in us-east-1>, or -c zone=<id of its hosted zone> to have one made")
	case certificate != "":
		o.props.Domain = &waitingroom.Domain{Name: domain, Certificate: certificate, Zone: zone}
	default:
		o.edge.Domain, o.edge.Zone = domain, zone
	}
}

func (r *reader) readWebACL(o *options) {
	if acl := r.context("webacl"); acl == createWebACL {
		o.edge.WebACL = &waitingroom.WebACLProps{}
	} else {
		o.props.WebACL = acl
	}
}

// readWarm leaves what is not given at what a new table has.
func (r *reader) readWarm(o *options) {
	reads, givenReads := r.number("warm-reads")
	writes, givenWrites := r.number("warm-writes")
	if !givenReads && !givenWrites {
		return
	}
	warm := &waitingroom.WarmThroughput{Reads: waitingroom.LeastWarmReads, Writes: waitingroom.LeastWarmWrites}
	if givenReads {
		warm.Reads = reads
	}
	if givenWrites {
		warm.Writes = writes
	}
	o.props.WarmThroughput = warm
}

func (r *reader) readRetention(o *options) {
	days, given := r.number("log-retention-days")
	if !given {
		return
	}
	retention, err := waitingroom.RetentionOf(days)
	if err != nil {
		r.fail("log-retention-days: %w", err)
	}
	o.props.LogRetention = retention
}
