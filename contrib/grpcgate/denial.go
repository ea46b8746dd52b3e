package grpcgate

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stiggate/gate/internal/rpc"
)

// statusOf is a denial with its details.
func statusOf(d *rpc.Denial) *status.Status {
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: d.Reason, Domain: rpc.Domain, Metadata: d.Metadata}}
	if d.Subject != "" {
		details = append(details, &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: d.Subject, Description: d.Message}}})
	}
	if d.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(d.RetryAfter)})
	}
	if d.UpgradeURL != "" {
		details = append(details, &errdetails.Help{Links: []*errdetails.Help_Link{{Description: rpc.UpgradeText, Url: d.UpgradeURL}}})
	}
	bare := status.New(codes.Code(d.Code), d.Message)
	full, err := bare.WithDetails(details...)
	if err != nil { // a text that is no UTF-8
		return bare
	}
	return full
}
