package client

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/client/gql"
)

// FuzzDecode holds the decoder to this: it never panics, its errors are typed and
// hold neither the key nor a line of the answer, and an answer with errors is one.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{emptySet, setWith(`"usageLimit":1e999`), refusalJSON("CustomerNotFound"), "", "null", "[]", "<html>",
		`{"data":{"entitlementsState":{"entitlementsV2":[null,{"__typename":"CreditEntitlement","currency":{"currencyId":"c"}}]}}}`,
		`{"data":{"getCustomerByRefId":null}}`, `{"data":{"reportUsageBulk":[` + measuredJSON + `]}}`,
		`{"errors":[{"message":"` + testKey + `","extensions":{"code":"` + testKey + `","traceId":"` + testKey + `"}}]}`,
		`{"errors":[null,{"extensions":null},{"extensions":[]},{"extensions":{"isValidationError":true}}]}`} {
		f.Add(200, body, "1")
		f.Add(429, body, "Mon, 04 May 2026 12:00:30 GMT")
		f.Add(500, body, "9e99")
	}
	key := newSecret(testKey)
	f.Fuzz(func(t *testing.T, status int, body, wait string) {
		h := http.Header{"Retry-After": {wait}, "X-Ratelimit-Reset": {wait}}
		a := answer{op: "Op", status: status, header: h, body: []byte(body)}
		var state gql.GetEntitlementsStateResponse
		var measured gql.ReportUsageBulkResponse
		var customer gql.GetCustomerByIDResponse
		for _, res := range []any{&state, &measured, &customer} {
			e := a.decode(res, key.within, time.Unix(1777896000, 0))
			if e != nil {
				checkDecoded(t, e)
			}
		}
		setOf(&state.EntitlementsState)
	})
}

func checkDecoded(t *testing.T, e *Error) {
	t.Helper()
	var typed *Error
	if !errors.As(error(e), &typed) || e.Code == "" {
		t.Errorf("the error is %v", e)
	}
	if strings.Contains(e.Error(), testKey) || strings.Contains(e.Message, testKey) {
		t.Errorf("the error has the key: %v", e)
	}
	if strings.ContainsAny(e.Error(), "\n\r<>{}\"") || len(e.Error()) > 400 {
		t.Errorf("the error quotes the answer: %v", e)
	}
	if e.RetryAfter() < 0 || e.RetryAfter() > longestAsk {
		t.Errorf("RetryAfter is %v", e.RetryAfter())
	}
	if e.Permanent() && (e.Retryable || e.HTTPStatus == 401 || e.HTTPStatus == 403 || e.HTTPStatus == 429 || e.HTTPStatus >= 500) {
		t.Errorf("%v is permanent", e)
	}
}
