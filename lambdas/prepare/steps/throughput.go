package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"waitingroom/lambdas/prepare"
	"waitingroom/shared/hotshow"
	"waitingroom/shared/plan"
	"waitingroom/shared/schedule"
)

// What shows together need of the table, by the names of their holdings.
const (
	heldWrites = "throughput/writes"
	heldReads  = "throughput/reads"
)

// Table is what Throughput needs of *dynamodb.Client.
type Table interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	UpdateTable(context.Context, *dynamodb.UpdateTableInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error)
}

// Holdings keeps what shows hold of things that they share, as schedule.Schedule does: change may be
// called more than once.
type Holdings interface {
	Holding(ctx context.Context, resource string) (schedule.Holding, error)
	UpdateHolding(ctx context.Context, resource string, change func(*schedule.Holding) error) (schedule.Holding, error)
}

// Throughput raises the table's warm throughput to what all shows that hold it need together. It is
// charged once for each raise and cannot be lowered, so nothing is ever taken down.
type Throughput struct {
	table    Table
	name     string
	holdings Holdings
	// turn holds one while a show is at it: those that are due at once would only be in each other's way, and
	// what does not fit would be counted in what others ask for. No mutex, which would outwait a run's time
	// where the table does not answer.
	turn chan struct{}
}

// NewThroughput works on the table of that name.
func NewThroughput(table Table, name string, holdings Holdings) *Throughput {
	return &Throughput{table, name, holdings, make(chan struct{}, 1)}
}

// Up holds what the show needs, raises the table if that is too low, and waits until it is warm. What a
// crash leaves is a hold, which the next attempt finds, or an update under way, which it waits for.
func (s *Throughput) Up(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	if !s.begin(ctx) {
		return hotshow.Begun, nil
	}
	defer s.end()
	writes, err := s.hold(ctx, heldWrites, t.Show.ID, t.Show.Needs.WarmWrites)
	if err != nil {
		return "", err
	}
	reads, err := s.hold(ctx, heldReads, t.Show.ID, t.Show.Needs.WarmReads)
	if err != nil {
		return "", err
	}
	found, err := s.table.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(s.name)})
	if err != nil {
		return "", fmt.Errorf("describe table: %w", err)
	}
	switch status := found.Table.TableStatus; status {
	case types.TableStatusActive:
	case types.TableStatusUpdating:
		return hotshow.Begun, nil
	default:
		return "", fmt.Errorf("the table %s is %s", s.name, status)
	}
	warm := found.Table.WarmThroughput
	if warm == nil {
		warm = &types.TableWarmThroughputDescription{Status: types.TableStatusActive}
	}
	if warm.Status == types.TableStatusUpdating {
		return hotshow.Begun, nil
	}
	// Only what is too low is named: the other may rise by itself in between, and is never lowered.
	var raise types.WarmThroughput
	if aws.ToInt64(warm.WriteUnitsPerSecond) < writes {
		raise.WriteUnitsPerSecond = aws.Int64(writes)
	}
	if aws.ToInt64(warm.ReadUnitsPerSecond) < reads {
		raise.ReadUnitsPerSecond = aws.Int64(reads)
	}
	if raise == (types.WarmThroughput{}) {
		return hotshow.Up, nil
	}
	return s.raise(ctx, t, raise)
}

// raise asks for more. Repeated, it asks for the same: the table refuses it while it is being updated,
// and an Up that finds it warm does not ask.
func (s *Throughput) raise(ctx context.Context, t *prepare.Task, to types.WarmThroughput) (hotshow.Progress, error) {
	_, err := s.table.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String(s.name), WarmThroughput: &to})
	var busy *types.ResourceInUseException
	var refused smithy.APIError
	switch {
	case err == nil || errors.As(err, &busy):
		return hotshow.Begun, nil
	case errors.As(err, &refused) && (refused.ErrorCode() == "LimitExceededException" || refused.ErrorCode() == "ValidationException"):
		// What does not fit is held no longer: it would keep others from what does.
		return "", errors.Join(fmt.Errorf("raise warm throughput to %s%s: %w", asked(to), advice(to), err), s.letGo(ctx, t.Show.ID))
	}
	return "", fmt.Errorf("raise warm throughput to %s: %w", asked(to), err)
}

func asked(to types.WarmThroughput) string {
	var parts []string
	if to.WriteUnitsPerSecond != nil {
		parts = append(parts, fmt.Sprintf("%d writes", *to.WriteUnitsPerSecond))
	}
	if to.ReadUnitsPerSecond != nil {
		parts = append(parts, fmt.Sprintf("%d reads", *to.ReadUnitsPerSecond))
	}
	return strings.Join(parts, " and ") + " a second"
}

// advice says what to ask AWS for where a table's default quota is passed. An account may have more, so what is
// above the default is asked for and only then complained about.
func advice(to types.WarmThroughput) string {
	var quotas []string
	if units := aws.ToInt64(to.WriteUnitsPerSecond); units > int64(plan.LimitWrites.Default) {
		quotas = append(quotas, fmt.Sprintf("\"Table-level write throughput limit\", %s, to %d", plan.LimitWrites.Code, units))
	}
	if units := aws.ToInt64(to.ReadUnitsPerSecond); units > int64(plan.LimitReads.Default) {
		quotas = append(quotas, fmt.Sprintf("\"Table-level read throughput limit\", %s, to %d", plan.LimitReads.Code, units))
	}
	if quotas == nil {
		return ""
	}
	return fmt.Sprintf(" (a table has %d by default: have Service Quotas raise %s)", plan.LimitWrites.Default, strings.Join(quotas, " and "))
}

// hold has the show's need counted and returns what all need. Repeated, it sets the same number.
func (s *Throughput) hold(ctx context.Context, resource, show string, units int) (int64, error) {
	h, err := s.holdings.Holding(ctx, resource)
	if err == nil && h.Units[show] != units {
		h, err = s.holdings.UpdateHolding(ctx, resource, func(h *schedule.Holding) error {
			h.Units[show] = units
			return nil
		})
	}
	return int64(total(h)), err
}

// begin waits for the turn, and says whether it has come.
func (s *Throughput) begin(ctx context.Context) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Throughput) end() { <-s.turn }

func total(h schedule.Holding) int {
	sum := 0
	for _, units := range h.Units {
		sum += units
	}
	return sum
}

// Down only has the show's need counted no more: the table stays as warm as it is.
func (s *Throughput) Down(ctx context.Context, t *prepare.Task) (hotshow.Progress, error) {
	if !s.begin(ctx) {
		return hotshow.Begun, nil
	}
	defer s.end()
	if err := s.letGo(ctx, t.Show.ID); err != nil {
		return "", err
	}
	return hotshow.Down, nil
}

// letGo has the show's need counted no more. Repeated, it changes nothing.
func (s *Throughput) letGo(ctx context.Context, show string) error {
	for _, resource := range []string{heldWrites, heldReads} {
		_, err := s.holdings.UpdateHolding(ctx, resource, func(h *schedule.Holding) error {
			delete(h.Units, show)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
