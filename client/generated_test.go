package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Yamashou/gqlgenc/clientv2"

	"github.com/stiggate/gate/client/gql"
)

// What gqlgenc's own encoder and decoder do, against what they are replaced by.
// If one of the first fails, the way around it may be dropped.

func TestTheGeneratorsEncoderLosesSmallNumbersAndOursDoesNot(t *testing.T) {
	request := &clientv2.Request{Variables: map[string]any{"input": gql.ReportUsageInput{Value: 0.0000001}}}
	theirs, err := clientv2.MarshalJSON(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := encode(request)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(theirs), "1e-07") || strings.Contains(string(theirs), "0.0000001") {
		t.Errorf("gqlgenc now writes %s", theirs)
	}
	if !strings.Contains(string(ours), `"value":1e-7`) {
		t.Errorf("we write %s", ours)
	}
}

func TestVariablesThatAreNotGivenAreNotSent(t *testing.T) {
	var pointer *gql.FetchEntitlementsQuery
	var list []string
	raw, err := encode(&clientv2.Request{Query: "q", OperationName: "Op", Variables: map[string]any{
		"pointer": pointer, "list": list, "nil": nil, "zero": 0, "empty": ""}})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Variables map[string]json.RawMessage }
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Variables) != 2 || got.Variables["zero"] == nil || got.Variables["empty"] == nil {
		t.Errorf("sent %s", raw)
	}
}

func TestTheGeneratorsEncoderPanicsAtAChannelWhichNeverReachesIt(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("gqlgenc no longer panics")
		}
	}()
	_, _ = clientv2.MarshalJSON(context.Background(), map[string]any{"c": make(chan int)})
}

func TestARequestCanBeSentAgainByTheTransport(t *testing.T) {
	var length int64
	var first, second []byte
	c, err := New(testKey, WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		again, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		length = r.ContentLength
		first, _ = io.ReadAll(r.Body)
		second, _ = io.ReadAll(again)
		return replies(200, emptySet)()
	})}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Entitlements(context.Background(), acme); err != nil {
		t.Fatal(err)
	}
	if length == 0 || length != int64(len(first)) || string(first) != string(second) {
		t.Errorf("length %d, bodies %q and %q", length, first, second)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
