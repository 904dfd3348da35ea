package surge

import (
	"testing"
	"time"

	"waitingroom/shared/plan"
)

// The sale of docs/quotas-and-costs.md costs what it says there, by its own amounts; it has metrics besides.
func TestCostsOfTheDocumentsSale(t *testing.T) {
	const visitors = 1_000_000
	r := Requests{
		Pages: 8 * visitors, Polls: 61 * visitors, Seals: visitors, Joins: visitors, Admits: 1.5 * visitors,
		Origin: 450_000, TableWrites: 6_280_000, TableReads: 3_600_000, Signatures: visitors, Publishes: 12_000,
	}
	costs := r.Costs(visitors, 150*time.Minute)
	if sum := plan.Total(costs); sum < 98 || sum > 101 {
		t.Errorf("the sale costs %.2f: %+v", sum, costs)
	}
}
