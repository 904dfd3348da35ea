package parameterstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"golang.org/x/time/rate"

	"waitingroom/shared/names"
	"waitingroom/shared/settings"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 250_000_000, time.UTC)

// start returns a store and the real SDK's client of it.
func start(t *testing.T) (*Store, *ssm.Client, string) {
	t.Helper()
	store := New(func() time.Time { return noon })
	server := httptest.NewServer(store)
	t.Cleanup(server.Close)
	client := ssm.New(ssm.Options{
		// The SDK tries again by itself, as it has to: it may close a connection that a fast server
		// answers on (aws-sdk-go-v2, issue 2737).
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(server.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	return store, client, server.URL
}

func seed(t *testing.T, s *Store, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		if err := s.Put(name, text); err != nil {
			t.Fatal(err)
		}
	}
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || api.ErrorMessage() == "" {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestPutAndGet(t *testing.T) {
	_, client, _ := start(t)
	ctx := t.Context()
	put := &ssm.PutParameterInput{Name: aws.String("/waiting-room/demo/rate"), Value: aws.String("60"), Type: types.ParameterTypeString}

	first, err := client.PutParameter(ctx, put)
	if err != nil || first.Version != 1 || first.Tier != types.ParameterTierStandard {
		t.Fatalf("%+v, %v", first, err)
	}
	put.Value = aws.String("600")
	_, err = client.PutParameter(ctx, put)
	var exists *types.ParameterAlreadyExists
	if !errors.As(err, &exists) {
		t.Errorf("without overwrite: %v", err)
	}
	put.Overwrite = aws.Bool(true)
	put.Type = ""
	if second, err := client.PutParameter(ctx, put); err != nil || second.Version != 2 {
		t.Errorf("with overwrite: %+v, %v", second, err)
	}

	got, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: put.Name})
	if err != nil {
		t.Fatal(err)
	}
	p := got.Parameter
	if *p.Value != "600" || p.Version != 2 || p.Type != types.ParameterTypeString || *p.Name != *put.Name ||
		!p.LastModifiedDate.Equal(noon) || *p.ARN != "arn:aws:ssm:local:000000000000:parameter/waiting-room/demo/rate" {
		t.Errorf("got %+v", p)
	}
	_, err = client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/waiting-room/demo/rates")})
	var missing *types.ParameterNotFound
	if !errors.As(err, &missing) {
		t.Errorf("not there: %v", err)
	}
}

func TestPutRefuses(t *testing.T) {
	_, client, _ := start(t)
	const name = "/waiting-room/demo/message"
	for what, c := range map[string]struct {
		in   ssm.PutParameterInput
		code string
	}{
		"no type":         {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String("a")}, "ValidationException"},
		"a wrong type":    {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String("a"), Type: "Text"}, "ValidationException"},
		"a wrong tier":    {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String("a"), Type: "String", Tier: "Free"}, "ValidationException"},
		"no value":        {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String(""), Type: "String"}, "ValidationException"},
		"too long":        {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String(strings.Repeat("ø", 4097)), Type: "String"}, "ValidationException"},
		"far too long":    {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String(strings.Repeat("a", 8193)), Type: "String", Tier: "Advanced"}, "ValidationException"},
		"a reference":     {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String("{{ssm:other}}"), Type: "String"}, "ValidationException"},
		"a pattern":       {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String("a"), Type: "String", AllowedPattern: aws.String("a")}, "ValidationException"},
		"policies":        {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String("a"), Type: "String", Policies: aws.String("[]")}, "ValidationException"},
		"another data":    {ssm.PutParameterInput{Name: aws.String(name), Value: aws.String("a"), Type: "String", DataType: aws.String("aws:ec2:image")}, "ValidationException"},
		"no name":         {ssm.PutParameterInput{Name: aws.String(""), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"a space":         {ssm.PutParameterInput{Name: aws.String("/a b"), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"a colon":         {ssm.PutParameterInput{Name: aws.String("/a:1"), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"not qualified":   {ssm.PutParameterInput{Name: aws.String("waiting-room/demo/rate"), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"an empty level":  {ssm.PutParameterInput{Name: aws.String("/waiting-room//rate"), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"a slash at end":  {ssm.PutParameterInput{Name: aws.String("/waiting-room/"), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"reserved aws":    {ssm.PutParameterInput{Name: aws.String("/AWS/rate"), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"reserved ssm":    {ssm.PutParameterInput{Name: aws.String("ssm-rate"), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"a long name":     {ssm.PutParameterInput{Name: aws.String("/" + strings.Repeat("a", 1011)), Value: aws.String("a"), Type: "String"}, "ValidationException"},
		"too many levels": {ssm.PutParameterInput{Name: aws.String(strings.Repeat("/a", 16)), Value: aws.String("a"), Type: "String"}, "HierarchyLevelLimitExceededException"},
	} {
		_, err := client.PutParameter(t.Context(), &c.in)
		wantCode(t, what, err, c.code)
	}
	all, err := client.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{})
	if err != nil || len(all.Parameters) != 0 {
		t.Errorf("a refused value was kept: %+v, %v", all, err)
	}
}

func TestPutTakes(t *testing.T) {
	_, client, _ := start(t)
	for what, in := range map[string]ssm.PutParameterInput{
		"deep":        {Name: aws.String(strings.Repeat("/a", 15)), Value: aws.String("a")},
		"plain":       {Name: aws.String("plain_name.1"), Value: aws.String("a")},
		"spaces":      {Name: aws.String(" /spaces/around "), Value: aws.String(" a ")},
		"long":        {Name: aws.String("/long"), Value: aws.String(strings.Repeat("ø", 4096))},
		"advanced":    {Name: aws.String("/advanced"), Value: aws.String(strings.Repeat("a", 8192)), Tier: types.ParameterTierAdvanced},
		"intelligent": {Name: aws.String("/intelligent"), Value: aws.String(strings.Repeat("a", 4097)), Tier: types.ParameterTierIntelligentTiering},
	} {
		in.Type = types.ParameterTypeString
		if _, err := client.PutParameter(t.Context(), &in); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: in.Name})
		if err != nil || *got.Parameter.Value != *in.Value || *got.Parameter.Name != strings.TrimSpace(*in.Name) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/intelligent"), Value: aws.String("a"),
		Overwrite: aws.Bool(true), Tier: types.ParameterTierStandard})
	wantCode(t, "back to standard", err, "ValidationException")
}

func TestSecureStrings(t *testing.T) {
	_, client, _ := start(t)
	name := aws.String("/waiting-room/demo/rate")
	if _, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: name, Value: aws.String("600"), Type: types.ParameterTypeSecureString}); err != nil {
		t.Fatal(err)
	}
	for _, decrypt := range []bool{false, true} {
		got, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: name, WithDecryption: aws.Bool(decrypt)})
		if err != nil || got.Parameter.Type != types.ParameterTypeSecureString || (*got.Parameter.Value == "600") != decrypt {
			t.Errorf("decrypt %v: %+v, %v", decrypt, got, err)
		}
	}
}

func TestGetByPath(t *testing.T) {
	store, client, _ := start(t)
	var want []string
	for i := range 23 {
		want = append(want, fmt.Sprintf("/waiting-room/demo/p%02d", i))
	}
	want = append(want, "/waiting-room/demo/message/da")
	slices.Sort(want)
	for _, name := range append(want, "/waiting-room/demo-2/rate", "/waiting-room/demo", "/other/demo/rate", "demo") {
		seed(t, store, map[string]string{name: "1"})
	}
	for _, c := range []struct {
		path      string
		recursive bool
		want      int
	}{
		{"/waiting-room/demo", true, 24},
		{"/waiting-room/demo/", true, 24},
		{"/waiting-room/demo", false, 23},
		{"/waiting-room", false, 1},
		{"/waiting-room", true, 26},
		{"/", true, 27},
		{"/nothing", true, 0},
	} {
		var got []string
		pages := ssm.NewGetParametersByPathPaginator(client, &ssm.GetParametersByPathInput{
			Path: aws.String(c.path), Recursive: aws.Bool(c.recursive), MaxResults: aws.Int32(7)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Parameters) > 7 {
				t.Errorf("%s: a page of %d", c.path, len(page.Parameters))
			}
			for _, p := range page.Parameters {
				got = append(got, *p.Name)
			}
		}
		if len(got) != c.want {
			t.Errorf("%s, recursive %v: %d parameters %v, want %d", c.path, c.recursive, len(got), got, c.want)
		}
		if c.path == "/waiting-room/demo" && c.recursive && !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.path, got, want)
		}
	}

	for what, c := range map[string]struct {
		in   ssm.GetParametersByPathInput
		code string
	}{
		"eleven":    {ssm.GetParametersByPathInput{Path: aws.String("/a"), MaxResults: aws.Int32(11)}, "ValidationException"},
		"zero":      {ssm.GetParametersByPathInput{Path: aws.String("/a"), MaxResults: aws.Int32(0)}, "ValidationException"},
		"no slash":  {ssm.GetParametersByPathInput{Path: aws.String("a")}, "ValidationException"},
		"two":       {ssm.GetParametersByPathInput{Path: aws.String("//")}, "ValidationException"},
		"bad path":  {ssm.GetParametersByPathInput{Path: aws.String("/a/*")}, "ValidationException"},
		"bad token": {ssm.GetParametersByPathInput{Path: aws.String("/a"), NextToken: aws.String("%")}, "InvalidNextToken"},
		"a filter": {ssm.GetParametersByPathInput{Path: aws.String("/a"), ParameterFilters: []types.ParameterStringFilter{
			{Key: aws.String("Type"), Values: []string{"String"}}}}, "ValidationException"},
	} {
		_, err := client.GetParametersByPath(t.Context(), &c.in)
		wantCode(t, what, err, c.code)
	}
}

func TestAPageFollowsADeletedParameter(t *testing.T) {
	store, client, _ := start(t)
	seed(t, store, map[string]string{"/p/a": "1", "/p/b": "2", "/p/c": "3"})
	in := &ssm.GetParametersByPathInput{Path: aws.String("/p"), MaxResults: aws.Int32(2)}
	first, err := client.GetParametersByPath(t.Context(), in)
	if err != nil || len(first.Parameters) != 2 || first.NextToken == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, err := client.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/p/b")}); err != nil {
		t.Fatal(err)
	}
	in.NextToken = first.NextToken
	second, err := client.GetParametersByPath(t.Context(), in)
	if err != nil || len(second.Parameters) != 1 || *second.Parameters[0].Name != "/p/c" || second.NextToken != nil {
		t.Errorf("%+v, %v", second, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	store, client, _ := start(t)
	seed(t, store, map[string]string{"/p/a": "1", "/p/b": "2"})
	names := []string{"/p/b", "/p/x", "/p/a"}

	got, err := client.GetParameters(t.Context(), &ssm.GetParametersInput{Names: names})
	if err != nil || len(got.Parameters) != 2 || !slices.Equal(got.InvalidParameters, []string{"/p/x"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	deleted, err := client.DeleteParameters(t.Context(), &ssm.DeleteParametersInput{Names: names})
	if err != nil || !slices.Equal(deleted.DeletedParameters, []string{"/p/b", "/p/a"}) || !slices.Equal(deleted.InvalidParameters, []string{"/p/x"}) {
		t.Errorf("deleted %+v, %v", deleted, err)
	}
	_, err = client.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/p/a")})
	wantCode(t, "deleted already", err, "ParameterNotFound")

	_, err = client.GetParameters(t.Context(), &ssm.GetParametersInput{Names: make([]string, 11)})
	wantCode(t, "eleven names", err, "ValidationException")
	_, err = client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/p/a:1")})
	wantCode(t, "a version", err, "ValidationException")
}

func TestANewParameterStartsOver(t *testing.T) {
	store, client, _ := start(t)
	seed(t, store, map[string]string{"/p/a": "1"})
	seed(t, store, map[string]string{"/p/a": "2"})
	if _, err := client.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/p/a")}); err != nil {
		t.Fatal(err)
	}
	seed(t, store, map[string]string{"/p/a": "3"})
	got, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/p/a")})
	if err != nil || got.Parameter.Version != 1 || *got.Parameter.Value != "3" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDescribe(t *testing.T) {
	store, client, _ := start(t)
	for i := range 60 {
		seed(t, store, map[string]string{fmt.Sprintf("/waiting-room/demo/p%02d", i): "1"})
	}
	if _, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/other"), Value: aws.String("1"),
		Type: types.ParameterTypeString, Description: aws.String("what for")}); err != nil {
		t.Fatal(err)
	}
	count := func(filters ...types.ParameterStringFilter) (n int, last types.ParameterMetadata) {
		pages := ssm.NewDescribeParametersPaginator(client, &ssm.DescribeParametersInput{ParameterFilters: filters})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Parameters {
				n, last = n+1, p
			}
		}
		return n, last
	}
	if n, _ := count(); n != 61 {
		t.Errorf("%d parameters", n)
	}
	if n, _ := count(types.ParameterStringFilter{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{"/waiting-room/"}}); n != 60 {
		t.Errorf("%d begin with /waiting-room/", n)
	}
	if n, _ := count(types.ParameterStringFilter{Key: aws.String("Name"), Option: aws.String("Contains"), Values: []string{"p1"}}); n != 10 {
		t.Errorf("%d contain p1", n)
	}
	n, p := count(types.ParameterStringFilter{Key: aws.String("Name"), Values: []string{"/other"}})
	if n != 1 || aws.ToString(p.Description) != "what for" || p.Version != 1 || p.Tier != types.ParameterTierStandard {
		t.Errorf("%d are /other: %+v", n, p)
	}
	for what, f := range map[string]types.ParameterStringFilter{
		"ValidationException": {Key: aws.String("Tier"), Values: []string{"Standard"}},
		"InvalidFilterOption": {Key: aws.String("Name"), Option: aws.String("Like"), Values: []string{"x"}},
	} {
		_, err := client.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{f}})
		wantCode(t, what, err, what)
	}
}

func TestOtherRequests(t *testing.T) {
	_, client, address := start(t)
	_, err := client.GetParameterHistory(t.Context(), &ssm.GetParameterHistoryInput{Name: aws.String("/a")})
	wantCode(t, "another operation", err, "UnknownOperationException")

	for what, c := range map[string]struct{ method, target, body, code string }{
		"no target":       {"POST", "", "{}", "UnknownOperationException"},
		"another service": {"POST", "DynamoDB_20120810.GetItem", "{}", "UnknownOperationException"},
		"get":             {"GET", "AmazonSSM.GetParameter", "", "UnknownOperationException"},
		"no body":         {"POST", "AmazonSSM.GetParameter", "", "SerializationException"},
		"not JSON":        {"POST", "AmazonSSM.GetParameter", "name", "SerializationException"},
		"wrongly typed":   {"POST", "AmazonSSM.GetParameter", `{"Name":5}`, "SerializationException"},
		"huge":            {"POST", "AmazonSSM.GetParameter", `{"Name":"` + strings.Repeat("a", mostBody) + `"}`, "SerializationException"},
		"no name":         {"POST", "AmazonSSM.GetParameter", `{}`, "ValidationException"},
		"not there":       {"POST", "AmazonSSM.GetParameter", `{"Name":"/a"}`, "ParameterNotFound"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, address, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Amz-Target", c.target)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var shape map[string]string
		if err := json.Unmarshal(body, &shape); err != nil {
			t.Errorf("%s: %s: %v", what, body, err)
		}
		if response.StatusCode != 400 || response.Header.Get("X-Amzn-Errortype") != c.code || shape["__type"] != c.code ||
			shape["message"] == "" || response.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("%s: %d %v %s, want %s", what, response.StatusCode, response.Header, body, c.code)
		}
	}
}

func TestConcurrentPutsLoseNoVersion(t *testing.T) {
	store, client, _ := start(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 25 {
				if err := store.Put("/p/a", "1"); err != nil {
					t.Error(err)
				}
				store.after("", 10, func(parameter) bool { return true })
			}
		})
	}
	group.Wait()
	got, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/p/a")})
	if err != nil || got.Parameter.Version != 200 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPutReturnsWhatIsWrong(t *testing.T) {
	store, _, _ := start(t)
	if err := store.Put("waiting-room/demo/rate", "1"); err == nil || !strings.Contains(err.Error(), "must begin with a slash") {
		t.Errorf("%v", err)
	}
}

// The room reads its settings from here as it does in production.
func TestSettingsReader(t *testing.T) {
	store, client, _ := start(t)
	reader, err := settings.NewReader(client, names.ParameterPath, rate.NewLimiter(rate.Inf, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"demo", "other", "v1"} {
		for name, text := range map[string]string{"onsale": "2026-11-21T10:00:00Z", "rate": "60", "target": "http://127.0.0.1:8080/shop",
			"message": "a", "message/da": "b", "stock": "few"} {
			seed(t, store, map[string]string{names.ParameterPath + event + "/" + name: text})
		}
	}
	events, refused, err := reader.All(t.Context())
	if err != nil || len(events) != 2 || len(refused) != 1 {
		t.Fatalf("%v, %v, %v", events, refused, err)
	}
	before := settings.Parse(events["demo"], nil)
	if !before.Complete() || len(before.Rejected) > 0 || before.Settings.Rate != 60 {
		t.Fatalf("%+v", before)
	}
	seed(t, store, map[string]string{"/waiting-room/demo/rate": "fast"})
	if _, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/waiting-room/demo/stock"), Value: aws.String("none"),
		Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	texts, err := reader.Event(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	after := settings.Parse(texts, before.Good)
	if after.Settings.Rate != 60 || after.Settings.Stock != "few" || len(after.Rejected) != 2 {
		t.Errorf("%+v", after)
	}
}

func TestChangesAreTold(t *testing.T) {
	s, client, _ := start(t)
	var told []string
	s.OnChange(func(name, operation string) { told = append(told, operation+" "+name) })
	put := func(value string, overwrite bool) error {
		_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
			Name: aws.String("/waiting-room/demo/rate"), Value: aws.String(value),
			Type: types.ParameterTypeString, Overwrite: aws.Bool(overwrite)})
		return err
	}
	if err := errors.Join(put("60", false), put("600", true)); err != nil {
		t.Fatal(err)
	}
	if err := put("1", false); err == nil {
		t.Fatal("a parameter was overwritten unasked")
	}
	for range 2 { // the second finds nothing to delete
		client.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("/waiting-room/demo/rate")})
	}
	want := []string{"Create /waiting-room/demo/rate", "Update /waiting-room/demo/rate", "Delete /waiting-room/demo/rate"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
