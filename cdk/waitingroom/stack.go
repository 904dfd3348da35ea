package waitingroom

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/shared/names"
)

// output is something that a stack tells.
type output struct{ id, value, description string }

// NewStack makes a stack that holds one room and tells where its parts are. The error is NewWaitingRoom's.
func NewStack(scope constructs.Construct, id string, stackProps *awscdk.StackProps, props Props) (awscdk.Stack, *Room, error) {
	stack := awscdk.NewStack(scope, &id, stackProps)
	room, err := NewWaitingRoom(stack, "Room", props)
	if err != nil {
		return nil, nil, err
	}
	for _, output := range append([]output{
		{"Address", *room.Address, "Where visitors go: this address, a slash and the event's name."},
		{"DocumentsBucket", *room.Documents.BucketName(), "Holds status, seals and well-known documents."},
		{"PageBucket", *room.Page.BucketName(), "Holds the page."},
		{"TableName", *room.Table.TableName(), "Holds the runs, the places and the caps."},
		{"DistributionId", *room.Distribution.DistributionId(), "Answers at the address; its metrics carry this id."},
		{"SecretArn", *room.Secret.SecretArn(), "What an edge gate of a shop takes its key from."},
		{"AlarmTopic", *room.Alarms.TopicArn(), "Hears of alarms and bad settings."},
		{"RoomName", room.Name, "What the room's metrics are found by."},
		{"ParameterPath", names.ParameterPath, "Where promoters set an event: this path, the event's name, a slash and the parameter."},
	}, room.hotShowOutputs()...) {
		awscdk.NewCfnOutput(stack, &output.id, &awscdk.CfnOutputProps{
			Value:       jsii.String(output.value),
			Description: jsii.String(output.description),
		})
	}
	return stack, room, nil
}

// hotShowOutputs are none where hot shows are off.
func (r *Room) hotShowOutputs() []output {
	if r.props.HotShows == nil {
		return nil
	}
	outputs := []output{
		{"HotShowsAddress", r.hotShowsAddress(), "Where hot shows are asked for, with IAM signatures: see docs/hotshows-api.json."},
		{"AskPolicyArn", *r.AskPolicy.ManagedPolicyArn(), "Attach it to whoever may ask for hot shows."},
		{"ApprovePolicyArn", *r.ApprovePolicy.ManagedPolicyArn(), "Attach it to whoever may approve hot shows."},
	}
	if r.JiraSecret == nil {
		return outputs
	}
	return append(outputs,
		output{"JiraWebhookAddress", r.hotShowsAddress() + names.PathJira, "Where Jira sends its webhooks: see docs/jira.md."},
		output{"JiraSecretArn", *r.JiraSecret.SecretArn(), "Holds the key that Jira signs webhooks with, and takes the account that comments: see docs/jira.md."})
}
