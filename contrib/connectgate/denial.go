package connectgate

import (
	"errors"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stiggate/gate/internal/rpc"
)

// errorOf is a denial with its details.
func errorOf(d *rpc.Denial) *connect.Error {
	err := connect.NewError(connect.Code(d.Code), errors.New(d.Message))
	add := func(m proto.Message) {
		if detail, wrong := connect.NewErrorDetail(m); wrong == nil { // else a text is no UTF-8
			err.AddDetail(detail)
		}
	}
	add(&errdetails.ErrorInfo{Reason: d.Reason, Domain: rpc.Domain, Metadata: d.Metadata})
	if d.Subject != "" {
		add(&errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: d.Subject, Description: d.Message}}})
	}
	if d.RetryAfter > 0 {
		add(&errdetails.RetryInfo{RetryDelay: durationpb.New(d.RetryAfter)})
	}
	if d.UpgradeURL != "" {
		add(&errdetails.Help{Links: []*errdetails.Help_Link{{Description: rpc.UpgradeText, Url: d.UpgradeURL}}})
	}
	return err
}
