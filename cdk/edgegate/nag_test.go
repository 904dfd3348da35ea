package edgegate

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"waitingroom/cdk/nagtest"
)

// AWS's own rules find nothing in a gate. What they find in the shop's distribution is the shop's
// affair, and shows that they looked.
func TestNag(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	stack := awscdk.NewStack(app, jsii.String("Shop"), nil)
	gate, err := NewEdgeGate(stack, "Gate", synthesised.props)
	if err != nil {
		t.Fatal(err)
	}
	if err := addShop(stack, gate); err != nil {
		t.Fatal(err)
	}
	complaints, err := nagtest.Complaints(app, stack)
	if err != nil {
		t.Fatal(err)
	}
	shops := 0
	for _, complaint := range complaints {
		if strings.HasPrefix(complaint, "Shop/Gate/") {
			t.Error(complaint)
		} else {
			shops++
		}
	}
	if shops == 0 {
		t.Error("nothing was found in the shop's distribution either: did the rules look?")
	}
}
