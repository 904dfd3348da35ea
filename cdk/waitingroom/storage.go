package waitingroom

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"
)

func (r *Room) addStorage() {
	table := &awsdynamodb.TableProps{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String("sk"), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String("ttl"),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		RemovalPolicy: r.props.Removal,
	}
	if warm := r.props.WarmThroughput; warm != nil {
		table.WarmThroughput = &awsdynamodb.WarmThroughput{
			ReadUnitsPerSecond:  jsii.Number(warm.Reads),
			WriteUnitsPerSecond: jsii.Number(warm.Writes),
		}
	}
	r.Table = awsdynamodb.NewTable(r.Construct, jsii.String("Table"), table)
	// Two buckets, so that no deployment of the page can ever delete a seal and no function can
	// change the page.
	r.Page = r.privateBucket("Page")
	r.Documents = r.privateBucket("Documents")
}

// privateBucket can be deleted with its stack only when it is empty, which is what the CDK's
// function is for.
func (r *Room) privateBucket(id string) awss3.Bucket {
	return awss3.NewBucket(r.Construct, jsii.String(id), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		RemovalPolicy:     r.props.Removal,
		AutoDeleteObjects: jsii.Bool(r.props.Removal == awscdk.RemovalPolicy_DESTROY),
	})
}

// addKeys has the secrets made at deployment, so that no template and no log ever holds one. The
// origin's goes with the stack, since another is as good; with another label it is another secret.
func (r *Room) addKeys() {
	r.Secret = r.generatedSecret("Secret", "Ticket, draw and HS256 keys are derived from this secret.", r.props.Removal)
	r.OriginSecret = r.generatedSecret("OriginSecret"+r.props.OriginKey, "API key that CloudFront sends to the API.",
		awscdk.RemovalPolicy_DESTROY)
	if r.props.PassKey == PassKeyKMS {
		r.PassKey = awskms.NewKey(r.Construct, jsii.String("PassKey"), &awskms.KeyProps{
			Description:   jsii.String("Signs the waiting room's passes."),
			KeySpec:       awskms.KeySpec_RSA_2048,
			KeyUsage:      awskms.KeyUsage_SIGN_VERIFY,
			RemovalPolicy: r.props.Removal,
		})
	}
}

// addPassKeySecret has the key made by a function while the stack is deployed. The secret begins
// empty, which only the plain resource can say: Secrets Manager generates passwords, not RSA keys.
func (r *Room) addPassKeySecret(maker awslambda.Function) {
	secret := awssecretsmanager.NewCfnSecret(r.Construct, jsii.String("PassKeySecret"), &awssecretsmanager.CfnSecretProps{
		Description: jsii.String("Signs the waiting room's passes: an RSA key, PKCS #8 in PEM."),
	})
	secret.ApplyRemovalPolicy(r.props.Removal, nil)
	r.PassKeySecret = awssecretsmanager.Secret_FromSecretCompleteArn(r.Construct, jsii.String("PassKeySecretByArn"), secret.Ref())
	r.allow(maker, "secretsmanager:GetSecretValue", *secret.Ref())
	r.allow(maker, "secretsmanager:PutSecretValue", *secret.Ref())
	key := awscdk.NewCustomResource(r.Construct, jsii.String("PassKeyMade"), &awscdk.CustomResourceProps{
		ResourceType: jsii.String("Custom::PassKey"),
		ServiceToken: maker.FunctionArn(),
		// A function that fails to answer holds the deployment up for this long, and not for an hour.
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(5)),
		Properties:     &map[string]any{"SecretArn": secret.Ref()},
	})
	r.passPublicKey = key.GetAttString(jsii.String("PublicKey"))
}

// generatedSecret holds 64 letters and digits, over 380 bits. Punctuation is left out since one of
// the secrets travels in a header.
func (r *Room) generatedSecret(id, description string, removal awscdk.RemovalPolicy) awssecretsmanager.Secret {
	return awssecretsmanager.NewSecret(r.Construct, jsii.String(id), &awssecretsmanager.SecretProps{
		Description: jsii.String(description),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			PasswordLength:     jsii.Number(64),
			ExcludePunctuation: jsii.Bool(true),
		},
		RemovalPolicy: removal,
	})
}

// newLog is a log group of the room's, kept as long as the team wants it and no longer.
func (r *Room) newLog(id string) awslogs.LogGroup {
	return awslogs.NewLogGroup(r.Construct, jsii.String(id), &awslogs.LogGroupProps{
		Retention:     r.props.LogRetention,
		RemovalPolicy: r.props.Removal,
	})
}
