package waitingroom

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"waitingroom/shared/names"
)

func TestTable(t *testing.T) {
	has(t, "AWS::DynamoDB::Table", map[string]any{
		"BillingMode":                      "PAY_PER_REQUEST",
		"KeySchema":                        []any{map[string]any{"AttributeName": "pk", "KeyType": "HASH"}, map[string]any{"AttributeName": "sk", "KeyType": "RANGE"}},
		"TimeToLiveSpecification":          map[string]any{"AttributeName": "ttl", "Enabled": true},
		"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": true},
	})
}

func TestWarmThroughput(t *testing.T) {
	if got := synthesised.document.one(t, "AWS::DynamoDB::Table").Properties["WarmThroughput"]; got != nil {
		t.Errorf("nobody asked for %v", got)
	}
	got := text(t, synthesised.named.one(t, "AWS::DynamoDB::Table").Properties["WarmThroughput"])
	if want := `{"ReadUnitsPerSecond":20000,"WriteUnitsPerSecond":40000}`; got != want {
		t.Errorf("warm throughput %s, want %s", got, want)
	}
}

func TestBucketsAreEncrypted(t *testing.T) {
	for id, bucket := range every(t, "AWS::S3::Bucket", 2) {
		want := `{"ServerSideEncryptionConfiguration":[{"ServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`
		if got := text(t, bucket.Properties["BucketEncryption"]); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	for id, policy := range every(t, "AWS::S3::BucketPolicy", 2) {
		refused := slices.ContainsFunc(statements(t, policy), func(statement map[string]any) bool {
			return statement["Effect"] == "Deny" && text(t, statement["Condition"]) == `{"Bool":{"aws:SecureTransport":"false"}}` &&
				text(t, statement["Principal"]) == `{"AWS":"*"}` && statement["Action"] == "s3:*"
		})
		if !refused {
			t.Errorf("%s lets plain http in", id)
		}
	}
}

func TestBucketsArePrivate(t *testing.T) {
	for id, bucket := range every(t, "AWS::S3::Bucket", 2) {
		blocked := bucket.Properties["PublicAccessBlockConfiguration"].(map[string]any)
		for _, way := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if blocked[way] != true {
				t.Errorf("%s: %s is %v", id, way, blocked[way])
			}
		}
	}
	for id, policy := range every(t, "AWS::S3::BucketPolicy", 2) {
		for _, statement := range statements(t, policy) {
			granted := text(t, statement)
			if statement["Effect"] == "Allow" && !strings.Contains(granted, `"AWS:SourceArn"`) && !strings.Contains(granted, `Role`) {
				t.Errorf("%s lets others in than the distribution and a role: %s", id, granted)
			}
		}
	}
}

// Missing keys are 404 only for a reader that may list.
func TestDistributionMayList(t *testing.T) {
	for id, policy := range every(t, "AWS::S3::BucketPolicy", 2) {
		if !strings.Contains(text(t, policy.Properties), `["s3:GetObject","s3:ListBucket"]`) {
			t.Errorf("%s does not let the distribution read and list", id)
		}
	}
}

// secrets are a room's secrets by their descriptions' first words.
func (d document) secrets(t *testing.T) map[string]resource {
	t.Helper()
	found := map[string]resource{}
	for id, secret := range d.All("AWS::SecretsManager::Secret") {
		if secret.Properties["SecretString"] != nil {
			t.Errorf("%s is written in the template", id)
		}
		first, _, _ := strings.Cut(secret.Properties["Description"].(string), " ")
		found[first] = secret
	}
	return found
}

func TestKeysAreMadeAtDeployment(t *testing.T) {
	has(t, "AWS::KMS::Key", map[string]any{"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})
	synthesised.named.Every(t, "AWS::KMS::Key", 0)
	want := map[string][]string{"default": {"API", "Ticket,"}, "named": {"API", "Jira's", "Signs", "Ticket,"}, "shows": {"API", "Ticket,"}}
	for name, room := range rooms() {
		secrets := room.secrets(t)
		if got := slices.Sorted(maps.Keys(secrets)); !slices.Equal(got, want[name]) {
			t.Fatalf("%s: secrets %q, want %q", name, got, want[name])
		}
		for _, first := range []string{"API", "Ticket,"} {
			generated := secrets[first].Properties["GenerateSecretString"].(map[string]any)
			if generated["PasswordLength"] != 64.0 || generated["ExcludePunctuation"] != true {
				t.Errorf("%s: %s: generated as %v", name, first, generated)
			}
		}
	}
	// CloudFormation makes an empty secret where it is told nothing, and the function fills it.
	signs := synthesised.named.secrets(t)["Signs"]
	if len(signs.Properties) != 1 {
		t.Errorf("the passes' secret begins with %v", signs.Properties)
	}
}

// The key is made by its function, in the secret that admit signs with.
func TestPassKeyIsMade(t *testing.T) {
	made := synthesised.named.one(t, "Custom::PassKey")
	maker, function := synthesised.named.function(t, names.FunctionPassKey)
	if function.Properties["Timeout"] != 90.0 || made.Properties["ServiceTimeout"] != "300" {
		t.Errorf("it may take %v s, and CloudFormation waits for %v s", function.Properties["Timeout"], made.Properties["ServiceTimeout"])
	}
	if got := references(made.Properties["ServiceToken"]); !slices.Equal(got, []string{maker}) {
		t.Errorf("the key is made by %q", got)
	}
	secret := text(t, made.Properties["SecretArn"])
	if got := text(t, synthesised.named.variables(t, names.FunctionAdmit)[names.EnvPassKeySecret]); got != secret {
		t.Errorf("admit signs with %s, and the key is made in %s", got, secret)
	}
	every(t, "Custom::PassKey", 0)
	for _, function := range synthesised.document.All("AWS::Lambda::Function") {
		if function.Properties["Description"] == "waiting room: "+names.FunctionPassKey {
			t.Error("a room with a KMS key has a function that makes another")
		}
	}
}

// The origin's secret is no loss, and would be paid for after each change of its label.
func TestWhatCannotBeMadeAgainIsRetained(t *testing.T) {
	policies := map[string]string{"default": "Retain", "named": "Delete", "shows": "Retain"}
	for name, room := range rooms() {
		for _, kind := range []string{"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"} {
			for id, part := range room.All(kind) {
				want := policies[name]
				if strings.HasPrefix(id, "RoomOriginSecret") {
					want = "Delete"
				}
				if part.DeletionPolicy != want {
					t.Errorf("%s: %s: deletion policy %q, want %s", name, id, part.DeletionPolicy, want)
				}
			}
		}
	}
}

// Buckets that go with their stack are emptied first, and tick is gone before that.
func TestBucketsCanBeDeleted(t *testing.T) {
	every(t, "Custom::S3AutoDeleteObjects", 0)
	emptied := ""
	for id, emptying := range synthesised.named.Every(t, "Custom::S3AutoDeleteObjects", 2) {
		if text(t, emptying.Properties["BucketName"]) == synthesised.namedRoom.resolved(t, synthesised.namedRoom.Documents.BucketName()) {
			emptied = id
		}
	}
	_, tick := synthesised.named.function(t, names.FunctionTick)
	role := synthesised.named.Resources[references(tick.Properties["Role"])[0]]
	if emptied == "" || !slices.Contains(role.DependsOn, emptied) {
		t.Errorf("tick's role needs %q, want the emptying %q among them", role.DependsOn, emptied)
	}
}
