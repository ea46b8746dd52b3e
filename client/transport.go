package client

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/Yamashou/gqlgenc/clientv2"
)

// The operations that are more than a call: a gate makes them, or they may be repeated.
const (
	opEntitlementsState   = "GetEntitlementsState"
	opEntitlement         = "GetEntitlementV2"
	opReportUsage         = "ReportUsage"
	opReportUsageBulk     = "ReportUsageBulk"
	opReportEvent         = "ReportEvent"
	opConsumeCredits      = "ConsumeCredits"
	opConsumeCreditsAsync = "ConsumeCreditsAsync"
)

// operation is what is known of a call beside its arguments.
type operation struct {
	name string
	// mutation is false for what can be sent twice and be done once.
	mutation bool
}

// operationOf is that of a document with a name.
func operationOf(name, document string) operation {
	switch name {
	case opReportUsage, opReportUsageBulk, opReportEvent, opConsumeCredits, opConsumeCreditsAsync: // never without idempotency keys
		return operation{name, false}
	case "EstimateSubscription", "EstimateSubscriptionUpdate", "PreviewSubscription", "PreviewNextInvoice": // which change nothing
		return operation{name, false}
	}
	return operation{name, !strings.HasPrefix(document, "query ")}
}

// do sends one operation and decodes its answer into res, in place of the
// generated client's own encoder, transport and decoder: those write small floats
// as 0, read without a bound and quote whole answers in their errors.
func (c *Client) do(ctx context.Context, req *http.Request, info *clientv2.GQLRequestInfo, res any) error {
	op := operationOf(info.Request.OperationName, info.Request.Query)
	body, err := encode(info.Request)
	if err != nil {
		return invalid(op.name, "the arguments can't be encoded", nil)
	}
	return c.send(ctx, req, op, body, res)
}

// send sends one operation, repeats it if it may, and decodes its answer's data into res.
func (c *Client) send(ctx context.Context, req *http.Request, op operation, body []byte, res any) error {
	c.setHeaders(req, op.name, body)
	attempts := c.retry
	if op.mutation {
		attempts.attempts = 1
	}
	for n := 1; ; n++ {
		if err := ended(ctx); err != nil {
			return &Error{Operation: op.name, Code: ErrCanceled, cause: err}
		}
		reflect.ValueOf(res).Elem().SetZero()
		failed := c.attempt(ctx, req, op, res)
		if failed == nil {
			return nil
		}
		wait, again := attempts.wait(n, failed, c.random())
		if !again || !pause(ctx, wait) {
			return failed
		}
	}
}

// ended is why ctx is over, or nil. A deadline that has passed is over even before
// its timer has fired: a dialer may notice it first.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && time.Until(deadline) <= 0 {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// encode writes the request as JSON, without variables that were not given.
func encode(r *clientv2.Request) ([]byte, error) {
	given := make(map[string]any, len(r.Variables))
	for name, value := range r.Variables {
		if !isNil(value) {
			given[name] = value
		}
	}
	return json.Marshal(clientv2.Request{Query: r.Query, Variables: given, OperationName: r.OperationName})
}

// isNil reports whether v is nil or a nil pointer, map or slice in an interface.
func isNil(v any) bool {
	value := reflect.ValueOf(v)
	switch value.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return value.IsNil()
	}
	return false
}

func (c *Client) setHeaders(req *http.Request, op string, body []byte) {
	h := make(http.Header, 8)
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json")
	h.Set("User-Agent", "stiggate/"+Version)
	h.Set("x-graphql-operation-name", op)
	h.Set("apollographql-client-name", "stiggate")
	h.Set("apollographql-client-version", Version)
	req.Header = h
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
}

// attempt sends req once. A nil result means that res is filled.
func (c *Client) attempt(ctx context.Context, req *http.Request, op operation, res any) (failed *Error) {
	pace := c.paces[op.name]
	if spent := pace.begin(op.name, c.now()); spent != nil {
		return spent
	}
	defer pace.end()
	bounded, cancel := context.WithTimeout(ctx, c.timeoutOf(op))
	defer cancel()
	a, key, done, failed := c.exchange(ctx, bounded, req, op.name)
	defer done()
	if failed != nil {
		return failed
	}
	failed = a.decode(res, key.within, c.now())
	pace.note(failed != nil && failed.Is(ErrRateLimited), a.header, c.now())
	c.judged(a.status, failed)
	return failed
}

// exchange sends req once, within bounded, and reads the answer. done must be called when that
// was decoded.
func (c *Client) exchange(ctx, bounded context.Context, req *http.Request, op string) (a answer, key secret, done func(), failed *Error) {
	done = func() {}
	defer func() {
		if recover() != nil { // a transport, or a cookie jar, of the app's
			failed = &Error{Operation: op, Code: ErrNetwork, detail: "the HTTP client panicked"}
		}
	}()
	if key, failed = c.key.get(bounded, op); failed != nil {
		if err := ended(bounded); err != nil {
			failed = broken(ctx, bounded, op, 0, err)
		}
		return a, key, done, failed
	}
	r := req.Clone(bounded)
	key.set(r.Header)
	if r.ContentLength > 0 {
		r.Body, _ = req.GetBody()
	}
	silent := c.conns.watch(ctx)
	status := 0
	resp, err := c.http.Do(r) //nolint:gosec // the endpoint is the app's own setting
	if err == nil {
		defer resp.Body.Close()
		status = resp.StatusCode
		a = answer{op: op, status: status, header: resp.Header}
		a.body, done, err = c.readBody(bounded, resp.Body)
	}
	if err != nil {
		failed = broken(ctx, bounded, op, status, err)
		silent(failed)
	}
	return a, key, done, failed
}

// timeoutOf bounds an attempt: in what is done once, Stigg may wait for a billing provider.
func (c *Client) timeoutOf(op operation) time.Duration {
	if op.mutation {
		return max(c.timeout, provisioningTimeout)
	}
	return c.timeout
}

// broken is the error of a request that got no whole answer: the caller's context
// ended, the attempt's time was up, or the network failed.
func broken(ctx, attempt context.Context, op string, status int, err error) *Error {
	e := &Error{Operation: op, HTTPStatus: status, Code: ErrNetwork, Retryable: true}
	var timeout net.Error
	over := ended(ctx)
	switch {
	case over != nil:
		e.Code, e.Retryable, e.cause = ErrCanceled, false, over
	case attempt.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		e.Code, e.cause = ErrTimeout, os.ErrDeadlineExceeded
	default:
		e.cause = harmless(err)
	}
	var network *net.OpError
	e.unsent = errors.As(err, &network) && network.Op == "dial"
	return e
}

// What net/http says of an answer that it can't read quotes the answer.
var (
	errCompressed = errors.New("the answer is not compressed as it says")
	errNoHTTP     = errors.New("the answer is no HTTP")
	errHeader     = errors.New("the answer's header is too large")
)

// harmless finds in err what the standard library says of the network. All else
// is dropped: a transport of the user's may put the request into its errors.
func harmless(err error) error {
	var (
		dns *net.DNSError
		op  *net.OpError
		crt *tls.CertificateVerificationError
		rec tls.RecordHeaderError
		prx proxyError

		flat flate.CorruptInputError
	)
	switch {
	case errors.As(err, &prx):
		return prx
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &crt):
		return crt
	case errors.As(err, &rec):
		return rec
	case errors.As(err, &op):
		return op
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &flat):
		return errCompressed
	case strings.Contains(err.Error(), "malformed HTTP"):
		return errNoHTTP
	case strings.Contains(err.Error(), "response headers exceeded"):
		return errHeader
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return nil
}
