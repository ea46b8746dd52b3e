package rpc

import (
	"testing"

	"github.com/stiggate/gate"
)

// TestStatuses are those that google.rpc.Code documents for each code.
func TestStatuses(t *testing.T) {
	want := [...]int{
		OK: 200, Canceled: 499, Unknown: 500, InvalidArgument: 400, DeadlineExceeded: 504, NotFound: 404, AlreadyExists: 409, PermissionDenied: 403,
		ResourceExhausted: 429, FailedPrecondition: 400, Aborted: 409, OutOfRange: 400, Unimplemented: 501, Internal: 500, Unavailable: 503, DataLoss: 500, Unauthenticated: 401,
	}
	for code, want := range want {
		if got := Code(code).Status(); got != want {
			t.Errorf("code %d: got %d, want %d", code, got, want)
		}
	}
	if got := Code(99).Status(); got != 500 {
		t.Errorf("a code that nobody knows: got %d", got)
	}
}

// TestCodesOfReasons: those that HTTP answers alike may differ here, and a reason of a later
// Stigg is a refusal.
func TestCodesOfReasons(t *testing.T) {
	for reason, want := range map[gate.Reason]Code{
		gate.ReasonLimitExceeded: ResourceExhausted, gate.ReasonInsufficientCredits: ResourceExhausted, gate.ReasonBudgetExceeded: ResourceExhausted,
		gate.ReasonPending: ResourceExhausted, gate.ReasonNotInPlan: PermissionDenied, gate.ReasonRevoked: PermissionDenied, gate.ReasonValueNotAllowed: PermissionDenied,
		gate.ReasonNotInTable: PermissionDenied, gate.ReasonCustomerConflict: PermissionDenied, gate.ReasonFeatureMismatch: PermissionDenied, "OfALaterStigg": PermissionDenied,
		gate.ReasonNoSubscription: FailedPrecondition, gate.ReasonCustomerIsArchived: FailedPrecondition, gate.ReasonUnresolved: Unauthenticated,
		gate.ReasonBadRequest: InvalidArgument, gate.ReasonUnavailable: Unavailable, gate.ReasonClientGone: Canceled,
	} {
		if got := codeOf(reason); got != want {
			t.Errorf("%s: got %d, want %d", reason, got, want)
		}
	}
}
