package main

import (
	"encoding/json"
	"os"
	"strings"

	"waitingroom/cdk/waitingroom"
)

// hotShows is the context that switches hot shows on. The names of all that belongs to them begin with it,
// or with jira.
const hotShows = "hot-shows"

// hotShowContexts are those that mean nothing without hot shows.
func hotShowContexts() []string {
	return []string{
		hotShows + "-self-approval", hotShows + "-product", hotShows + "-artifact", hotShows + "-path", hotShows + "-portfolio",
		hotShows + "-product-parameters", "jira-site", "jira-fields",
	}
}

// readHotShows refuses what belongs to hot shows where they are off, since it would be lost in silence.
func (r *reader) readHotShows(o *options) {
	if !r.onOff(hotShows) {
		for _, key := range hotShowContexts() {
			if r.context(key) != "" {
				r.fail("%s is for hot shows: add -c %s=on", key, hotShows)
			}
		}
		return
	}
	o.props.HotShows = &waitingroom.HotShows{
		SelfApproval: r.onOff(hotShows + "-self-approval"), Product: r.readProduct(), Jira: r.readJira(),
	}
}

// onOff takes what people write who mean yes or no. Nothing given is off.
func (r *reader) onOff(key string) bool {
	switch text := r.context(key); text {
	case "on", "true":
		return true
	case "", "off", "false":
	default:
		r.fail("%s cannot be %q: give on or off", key, text)
	}
	return false
}

func (r *reader) readProduct() *waitingroom.Product {
	product := &waitingroom.Product{
		ID: r.context(hotShows + "-product"), Artifact: r.context(hotShows + "-artifact"),
		Path: r.context(hotShows + "-path"), Portfolio: r.context(hotShows + "-portfolio"),
	}
	r.object(hotShows+"-product-parameters", r.context(hotShows+"-product-parameters"), &product.Parameters)
	if product.ID != "" {
		return product
	}
	for _, key := range []string{"-artifact", "-path", "-portfolio", "-product-parameters"} {
		if r.context(hotShows+key) != "" {
			r.fail("%s%s is for a product: add -c %[1]s-product=<its id>", hotShows, key)
		}
	}
	return nil
}

// readJira takes the fields as JSON or from a file, since there are many.
func (r *reader) readJira() *waitingroom.Jira {
	site, fields := r.context("jira-site"), r.context("jira-fields")
	if site == "" && fields == "" {
		return nil
	}
	if site == "" || fields == "" {
		r.fail("Jira needs both jira-site and jira-fields: see docs/jira.md")
		return nil
	}
	if !strings.HasPrefix(fields, "{") {
		text, err := os.ReadFile(fields)
		if err != nil {
			r.fail("jira-fields is neither a JSON object nor a file with one: %w", err)
			return nil
		}
		fields = string(text)
	}
	jira := &waitingroom.Jira{Site: site}
	r.object("jira-fields", fields, &jira.Fields)
	return jira
}

// object reads a JSON object into a map, if anything is given.
func (r *reader) object(key, text string, into any) {
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		r.fail("%s is no JSON object as it should be: %w", key, err)
	}
}
