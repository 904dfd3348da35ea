package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"waitingroom/shared/hotshow"
)

type attributes = map[string]types.AttributeValue

// key is the primary key of an item.
type key struct{ pk, sk string }

const (
	openKey      = "HOTSHOWS"      // entries of shows that are open, by their id
	endedKey     = "HOTSHOWSENDED" // and of those that have ended, by their on-sale and id
	changePrefix = "CHANGE#"
)

func showKey(id string) key          { return key{"HOTSHOW#" + id, "SHOW"} }
func eventKey(event string) key      { return key{"HOTSHOWEVENT#" + event, "SHOWS"} }
func holdingKey(resource string) key { return key{"HOTSHOWHELD#" + resource, "HELD"} }
func changeKey(id string, n int) key {
	return key{showKey(id).pk, fmt.Sprintf("%s%08d", changePrefix, n)}
}
func endedEntryKey(onsale time.Time, id string) key {
	return key{endedKey, onsale.UTC().Format(time.RFC3339) + "#" + id}
}
func primary(k key) attributes             { return attributes{"pk": textOf(k.pk), "sk": textOf(k.sk)} }
func textOf(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func numberOf(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Attributes that are read again. A show, a change and a holding are one attribute of JSON text, far
// below an item's 400 KB; what stands beside it is for conditions, and for people who look at the table.
const (
	showAttribute    = "show"
	changeAttribute  = "change"
	holdingAttribute = "holding"
	versionAttribute = "version"
)

// condition is one under which an item is written; the zero condition always holds.
type condition struct {
	text   string
	values attributes
}

var notThere = condition{text: "attribute_not_exists(pk)"}

func has(version int64) condition {
	return condition{text: "version = :held", values: attributes{":held": numberOf(version)}}
}

func (s *Schedule) put(k key, c condition, set attributes) types.TransactWriteItem {
	item := primary(k)
	maps.Copy(item, set)
	put := &types.Put{TableName: aws.String(s.table), Item: item, ExpressionAttributeValues: c.values}
	if c.text != "" {
		put.ConditionExpression = aws.String(c.text)
	}
	return types.TransactWriteItem{Put: put}
}

func (s *Schedule) remove(k key) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: aws.String(s.table), Key: primary(k)}}
}

func decode(found attributes, name string, into any) error {
	text, err := text(found, name)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

func text(found attributes, name string) (string, error) {
	value, ok := found[name].(*types.AttributeValueMemberS)
	if !ok {
		return "", fmt.Errorf("attribute %s is no text", name)
	}
	return value.Value, nil
}

func number(found attributes, name string) (int64, error) {
	value, ok := found[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("attribute %s is no number", name)
	}
	return strconv.ParseInt(value.Value, 10, 64)
}

// An entry is small attributes and not a document, so that hundreds of them are one page.
func encodeEntry(e Entry) attributes {
	set := attributes{
		"event": textOf(e.Event), "name": textOf(e.Name), "state": textOf(string(e.State)),
		"onsale": textOf(e.OnSale.Format(time.RFC3339)),
	}
	if !e.Due.IsZero() {
		set["due"] = textOf(e.Due.Format(time.RFC3339Nano))
	}
	return set
}

func decodeEntry(found attributes) (Entry, error) {
	var errs []error
	read := func(name string) string {
		value, err := text(found, name)
		errs = append(errs, err)
		return value
	}
	readTime := func(name string) time.Time {
		t, err := time.Parse(time.RFC3339, read(name))
		errs = append(errs, err)
		return t
	}
	id := read("sk")
	if _, behind, ended := strings.Cut(id, "#"); ended {
		id = behind
	}
	e := Entry{ID: id, Event: read("event"), Name: read("name"), State: hotshow.State(read("state")), OnSale: readTime("onsale")}
	if found["due"] != nil {
		e.Due = readTime("due")
	}
	return e, errors.Join(errs...)
}

// spans are the times for which an event is taken, by the id of the show that has it.
type spans map[string]span

type span struct{ from, to time.Time }

// equal compares what is stored, which is whole seconds.
func (s span) equal(other span) bool {
	return s.from.Unix() == other.from.Unix() && s.to.Unix() == other.to.Unix()
}

func spanOf(show hotshow.Show) span {
	from, to := show.Request.Span()
	return span{from, to}
}

// overlapping is the id of a show that has the event at some time of this one's, or nothing.
func (s spans) overlapping(show hotshow.Show) string {
	wanted := spanOf(show)
	for _, id := range slices.Sorted(maps.Keys(s)) {
		if id != show.ID && wanted.from.Before(s[id].to) && s[id].from.Before(wanted.to) {
			return id
		}
	}
	return ""
}

// spanPrefix begins the attributes of an event's item that say for which time a show has the event.
const spanPrefix = "show:"

// takeEvent gives the show its event if no other has taken it since version was read.
func (s *Schedule) takeEvent(show hotshow.Show, version int64) types.TransactWriteItem {
	own, c := spanOf(show), has(version)
	if version == 0 {
		c = condition{text: "attribute_not_exists(version)", values: attributes{}}
	}
	maps.Copy(c.values, attributes{
		":span": textOf(own.from.UTC().Format(time.RFC3339) + " " + own.to.UTC().Format(time.RFC3339)),
		":next": numberOf(version + 1),
	})
	return types.TransactWriteItem{Update: &types.Update{
		TableName: aws.String(s.table), Key: primary(eventKey(show.Request.Event)),
		UpdateExpression:          aws.String("SET #show = :span, version = :next"),
		ConditionExpression:       aws.String(c.text),
		ExpressionAttributeNames:  map[string]string{"#show": spanPrefix + show.ID},
		ExpressionAttributeValues: c.values,
	}}
}

// freeEvent takes the event from a show, if it still has it. It leaves the version: whoever has read
// the item before sees more taken than is, and never less.
func (s *Schedule) freeEvent(id, event string) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName: aws.String(s.table), Key: primary(eventKey(event)),
		UpdateExpression:         aws.String("REMOVE #show"),
		ExpressionAttributeNames: map[string]string{"#show": spanPrefix + id},
	}}
}

// decodeSpans reads an event's item, whose version is 0 until a show takes the event.
func decodeSpans(found attributes) (spans, int64, error) {
	all := spans{}
	if found[versionAttribute] == nil {
		return all, 0, nil
	}
	version, err := number(found, versionAttribute)
	if err != nil {
		return nil, 0, err
	}
	for name := range found {
		id, ok := strings.CutPrefix(name, spanPrefix)
		if !ok {
			continue
		}
		value, err := text(found, name)
		if err != nil {
			return nil, 0, err
		}
		from, to, _ := strings.Cut(value, " ")
		var own span
		own.from, err = time.Parse(time.RFC3339, from)
		if err != nil {
			return nil, 0, err
		}
		if own.to, err = time.Parse(time.RFC3339, to); err != nil {
			return nil, 0, err
		}
		all[id] = own
	}
	return all, version, nil
}
