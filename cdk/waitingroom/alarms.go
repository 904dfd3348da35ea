package waitingroom

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"
)

// addTopic makes the topic that alarms and bad settings go to.
func (r *Room) addTopic(address string) {
	r.Alarms = awssns.NewTopic(r.Construct, jsii.String("Alarms"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
	if address != "" {
		r.Alarms.AddSubscription(awssnssubscriptions.NewEmailSubscription(&address, nil))
	}
}

func (r *Room) addAlarms() {}
