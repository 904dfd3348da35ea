package runtimeapi

import (
	"bytes"
	crypto "crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"waitingroom/local/dynamodb"
	"waitingroom/local/functions"
	"waitingroom/shared/httpapi"
	"waitingroom/shared/metrics"
	"waitingroom/shared/names"
	"waitingroom/shared/room"
	"waitingroom/shared/store"
	"waitingroom/shared/ticket"
)

const (
	roomName = "test"
	issuer   = "https://room.example.com"
	target   = "https://shop.example.com/checkout?lang=en"
)

// passKey is made once: it takes a second where the race detector runs.
var passKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(crypto.Reader, 2048) })

// world is a room in an account, beside the functions as local puts them together: with the same
// table, secret and key.
type world struct {
	*account
	config aws.Config
	table  string
	store  *store.DynamoDB
	secret []byte
	ticket ticket.Key
	local  map[string]functions.Function
	counts output // metrics of local's functions

	jiraFields string // as names.EnvJiraFields has them
	log        output
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{account: newAccount(t), table: "room", secret: []byte(crypto.Text() + crypto.Text())}
	w.jiraFields = string(recorded(t, "lambdas/jira/testdata/fields.json"))
	key, err := passKey()
	if err != nil {
		t.Fatal(err)
	}
	w.keys.key = key
	w.secrets.put(secretARN, string(w.secret))
	w.keepSecret(string(w.secret), "the deployment's secret")
	w.config = aws.Config{
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, w.secretKey, ""),
		BaseEndpoint: &w.server.URL,
	}
	client := awsdynamodb.NewFromConfig(w.config)
	if err := dynamodb.CreateTable(t.Context(), client, w.table); err != nil {
		t.Fatal(err)
	}
	w.store = store.New(client, w.table, time.Now)
	if w.ticket, err = ticket.NewKey(w.secret); err != nil {
		t.Fatal(err)
	}
	w.local, err = functions.New(functions.Deployment{
		Store: w.store, Secret: w.secret, PassKey: key, Issuer: issuer,
		Log:     slog.New(slog.NewJSONHandler(&w.log, nil)),
		Metrics: &metrics.Log{Out: &w.counts, Room: roomName, Now: time.Now},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// startAll starts the programs behind the API.
func (w *world) startAll(t testing.TB) map[string]*process {
	t.Helper()
	programs := map[string]*process{}
	for _, function := range []string{names.FunctionJoin, names.FunctionAdmit, names.FunctionPlace} {
		programs[function] = w.start(t, function, w.environment(function))
	}
	return programs
}

// askLocal is local's answer to an event, as the Lambda runtime would write it.
func (w *world) askLocal(t testing.TB, function string, event []byte) []byte {
	t.Helper()
	var r httpapi.Request
	if err := json.Unmarshal(event, &r); err != nil {
		t.Fatal(err)
	}
	response, err := w.local[function](t.Context(), r)
	if err != nil {
		t.Fatalf("an error reached the runtime: %v", err)
	}
	// As the program writes it: angle brackets of a page stay as they are.
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(response); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

// ask is the program's answer to an event.
func (w *world) ask(t testing.TB, p *process, event []byte) (httpapi.Response, []byte) {
	t.Helper()
	out := p.invoke(t, event, answerLimit)
	if out.failed {
		t.Fatalf("%s failed instead of answering: %s", p.function, out.payload)
	}
	var r httpapi.Response
	decoder := json.NewDecoder(bytes.NewReader(out.payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("%s: not an answer to API Gateway: %v", p.function, err)
	}
	w.keepAnswer(r)
	return r, out.payload
}

// keepAnswer has outputs checked for what an answer entitles to.
func (w *world) keepAnswer(r httpapi.Response) {
	var answer struct{ Ticket, Pass string }
	json.Unmarshal([]byte(r.Body), &answer) // other answers have none
	w.keepSecret(answer.Ticket, "a ticket")
	w.keepSecret(answer.Pass, "a pass")
}

// same asks the program and then local, and wants the same answer byte for byte.
func (w *world) same(t testing.TB, p *process, event []byte) httpapi.Response {
	t.Helper()
	r, got := w.ask(t, p, event)
	if want := w.askLocal(t, p.function, event); !bytes.Equal(got, want) {
		t.Errorf("%s and local differ:\n%s\n%s", p.function, got, want)
	}
	return r
}

// request is an event of a function behind the API, as recorded but for the members given.
func request(t testing.TB, function, event string, change func(map[string]any)) []byte {
	t.Helper()
	return derived(t, recorded(t, "lambdas/"+function+"/testdata/request.json"), func(members map[string]any) {
		members["pathParameters"] = map[string]any{names.EventParameter: event}
		members["path"] = "/v1/events/" + event + "/" + function
		change(members)
	})
}

// body is a change of a request's body.
func body(text string) func(map[string]any) {
	return func(members map[string]any) { members["body"] = text }
}

func (w *world) joinRequest(t testing.TB, event, secret string) []byte {
	w.keepSecret(secret, "a visitor's secret")
	return request(t, names.FunctionJoin, event, body(`{"secret":"`+secret+`"}`))
}

func (w *world) admitRequest(t testing.TB, event, ticket string) []byte {
	w.keepSecret(ticket, "a ticket")
	return request(t, names.FunctionAdmit, event, body(`{"ticket":"`+ticket+`"}`))
}

func (w *world) placeRequest(t testing.TB, event, ticket string) []byte {
	w.keepSecret(ticket, "a ticket")
	return request(t, names.FunctionPlace, event, func(members map[string]any) {
		members["headers"].(map[string]any)["authorization"] = "Bearer " + ticket
	})
}

// newSecret is what a visitor's page draws.
func newSecret() string {
	var secret [16]byte
	crypto.Read(secret[:])
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

// visitorID is the public name of whoever has a secret.
func visitorID(t testing.TB, secret string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return room.VisitorID(raw)
}

// sale is an event with a pool of eight that is sealed, the pointer at 3 and moving by 60 a minute.
type sale struct {
	state   room.State
	secrets []string // by position; there is no position 0
	tickets []string
}

// newSale stores an event in a state with a change.
func (w *world) newSale(t testing.TB, event string, change func(*room.State)) *sale {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	run, err := room.NewRun(event, crypto.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &sale{secrets: make([]string, 9), tickets: make([]string, 9)}
	s.state = room.State{
		Run: run, Fence: room.Fence{Owner: "leader", Version: 1},
		Shards: 4, Closing: room.NoCohort, Phase: room.Open, PoolOpen: true, Cohort: 1, Base: 8, Admitted: 3, Speed: 60,
		OnSale: now.Add(-time.Hour), PreQueue: now.Add(-2 * time.Hour), Closes: now.Add(24 * time.Hour),
		Target: target, PassLifetime: 30 * time.Minute, PassAlg: "RS256", Cap: room.Cap{Rate: room.MaxRate},
	}
	if change != nil {
		change(&s.state)
	}
	if err := w.store.Save(t.Context(), s.state, room.Fence{}); err != nil {
		t.Fatal(err)
	}
	seal := room.Seal{Run: run, Counts: []int64{2, 2, 2, 2}, Seed: [32]byte{1}}
	if err := w.store.PutSeal(t.Context(), seal); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		shard, seq := i%4, int64(i/4+1)
		position, err := seal.Position(shard, seq)
		if err != nil {
			t.Fatal(err)
		}
		secret := newSecret()
		v := room.Visitor{ID: visitorID(t, secret), Shard: shard, Seq: seq, Joined: now}
		if _, err := w.store.AddVisitor(t.Context(), run, v); err != nil {
			t.Fatal(err)
		}
		s.secrets[position] = secret
		s.tickets[position] = w.ticket.Seal(ticket.Ticket{Event: event, Run: run.ID, Visitor: v.ID, Shard: shard, Seq: seq})
	}
	return s
}

// problem is the code of an answer that is a problem document.
func problem(r httpapi.Response) string {
	var document struct{ Type string }
	json.Unmarshal([]byte(r.Body), &document) // other answers have none
	return strings.TrimPrefix(document.Type, names.ProblemPrefix)
}

// with is a copy of variables with another value, or without one that is empty.
func with(variables map[string]string, name, value string) map[string]string {
	changed := maps.Clone(variables)
	changed[name] = value
	if value == "" {
		delete(changed, name)
	}
	return changed
}
