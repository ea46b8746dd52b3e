package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

func TestCodesAreComparedLoosely(t *testing.T) {
	for _, test := range []struct {
		code   Code
		status int
		target Code
	}{
		{"CustomerNotFound", 200, ErrCustomerNotFound},
		{"CUSTOMER_NOT_FOUND", 200, ErrCustomerNotFound},
		{"customerNotFoundError", 200, ErrCustomerNotFound},
		{"ApiKeyExpired", 200, ErrUnauthenticated},
		{"UNAUTHENTICATED", 401, ErrUnauthenticated},
		{"BrandNew", 401, ErrUnauthenticated},
		{"AuthCustomerReadonly", 200, ErrForbidden},
		{"BrandNew", 403, ErrForbidden},
		{"RATE_LIMIT_EXCEEDED", 200, ErrRateLimited},
		{"BrandNew", 429, ErrRateLimited},
		{"BAD_USER_INPUT", 400, ErrInvalidInput},
		{"ValidationError", 200, ErrInvalidInput},
		{"INTERNAL_SERVER_ERROR", 500, ErrUnavailable},
		{"OperationTimeout", 200, ErrUnavailable},
		{"EntityIsArchivedError", 200, ErrArchived},
		{"PLAN_NOT_FOUND", 200, ErrPlanNotFound},
		{"BrandNew", 200, "BRAND_NEW_ERROR"},
	} {
		e := &Error{Code: test.code, HTTPStatus: test.status}
		if !errors.Is(e, test.target) {
			t.Errorf("%s, HTTP %d is not %s", test.code, test.status, test.target)
		}
		if errors.Is(e, ErrSubscriptionNotFound) || errors.Is(e, ErrNetwork) || errors.Is(e, context.Canceled) {
			t.Errorf("%s is everything", test.code)
		}
	}
}

func TestOnlyASureRefusalIsPermanent(t *testing.T) {
	validation := `{"data":null,"errors":[{"extensions":{"code":"BrandNew","isValidationError":true}}]}`
	for name, test := range map[string]struct {
		status int
		body   string
		want   bool
	}{
		"an unknown feature":                  {200, refusalJSON("FeatureNotFound"), true},
		"an unknown feature, HTTP 404":        {404, refusalJSON("FEATURE_NOT_FOUND"), true},
		"an unknown customer":                 {200, refusalJSON("CustomerNotFound"), true},
		"an archived customer":                {200, refusalJSON("EntityIsArchivedError"), true},
		"bad input, HTTP 400":                 {400, refusalJSON("BAD_USER_INPUT"), true},
		"a feature without a meter":           {200, refusalJSON("MeteringNotAvailableForFeatureType"), true},
		"a validation error":                  {200, validation, true},
		"two refusals":                        {200, `{"errors":[{"extensions":{"code":"FeatureNotFound"}},{"extensions":{"code":"CustomerNotFound"}}]}`, true},
		"a refusal and an unknown code":       {200, `{"errors":[{"extensions":{"code":"FeatureNotFound"}},{"extensions":{"code":"BrandNew"}}]}`, false},
		"a refusal and an outage":             {200, `{"errors":[{"extensions":{"code":"FeatureNotFound"}},{"extensions":{"code":"UnexpectedError"}}]}`, false},
		"a refusal beside data":               {200, `{"data":{"reportUsageBulk":[]},"errors":[{"extensions":{"code":"FeatureNotFound"}}]}`, false},
		"a refusal beside null":               {200, `{"data":{"reportUsageBulk":null},"errors":[{"extensions":{"code":"FeatureNotFound"}}]}`, true},
		"a refusal with HTTP 500":             {500, refusalJSON("FeatureNotFound"), false},
		"a refusal with HTTP 401":             {401, refusalJSON("BadUserInput"), false},
		"a refusal with HTTP 429":             {429, refusalJSON("BadUserInput"), false},
		"a validation error with HTTP 503":    {503, validation, false},
		"a code we don't know":                {200, refusalJSON("BrandNew"), false},
		"no code":                             {200, `{"errors":[{"message":"no"}]}`, false},
		"a refused key":                       {200, refusalJSON("Unauthenticated"), false},
		"a refused key called a validation":   {200, `{"errors":[{"extensions":{"code":"Unauthenticated","isValidationError":true}}]}`, false},
		"a rate limit":                        {200, refusalJSON("RateLimitExceeded"), false},
		"a rate limit called a validation":    {200, `{"errors":[{"extensions":{"code":"RateLimitExceeded","isValidationError":true}}]}`, false},
		"an outage":                           {200, refusalJSON("UnexpectedError"), false},
		"HTTP 400 of a proxy":                 {400, "<html>bad request</html>", false},
		"HTTP 413 of a proxy":                 {413, "", false},
		"an answer that can't be understood":  {200, `{"data":{"reportUsageBulk":{}}}`, false},
		"a validation error that is no truth": {200, `{"errors":[{"extensions":{"code":"BrandNew","isValidationError":"true"}}]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(test.status, test.body))
			_, err := c.Report(context.Background(), []gate.Usage{usage("k1")})
			var p interface{ Permanent() bool }
			if !errors.As(err, &p) || p.Permanent() != test.want {
				t.Errorf("%v is permanent: %t, want %t", err, !test.want, test.want)
			}
		})
	}
}

func TestARefusalOfWhoOrWhatWasNamedIsOfAll(t *testing.T) {
	for body, want := range map[string]bool{
		refusalJSON("CustomerNotFound"):                                                        true,
		refusalJSON("EntityIsArchivedError"):                                                   true,
		refusalJSON("CUSTOMER_RESOURCE_NOT_FOUND"):                                             true,
		refusalJSON("FeatureNotFound"):                                                         true,
		refusalJSON("NoFeatureEntitlementInSubscription"):                                      true,
		refusalJSON("NoActiveSubscriptionForCustomer"):                                         true,
		refusalJSON("CannotReportUsageForEntitlementWithMeter"):                                true,
		refusalJSON("MeteringNotAvailableForFeatureType"):                                      true,
		refusalJSON("UnsupportedFeatureType"):                                                  true,
		refusalJSON("CustomCurrencyNotFound"):                                                  true,
		refusalJSON("BadUserInput"):                                                            false,
		refusalJSON("EntitlementUsageOutOfRange"):                                              false,
		refusalJSON("RateLimitExceeded"):                                                       false,
		refusalJSON("BrandNew"):                                                                false,
		`{"data":{"reportUsageBulk":[]},"errors":[{"extensions":{"code":"FeatureNotFound"}}]}`: false,
		`{"errors":[{"extensions":{"code":"FeatureNotFound"}},{"extensions":{"code":"CustomerNotFound"}}]}`: true,
		`{"errors":[{"extensions":{"code":"FeatureNotFound"}},{"extensions":{"code":"BadUserInput"}}]}`:     false,
		`{"errors":[{"extensions":{"code":"FeatureNotFound"}},{"extensions":{"code":"BrandNew"}}]}`:         false,
		`{"data":null,"errors":[{"extensions":{"code":"BrandNew","isValidationError":true}}]}`:              false,
		`{"data":null,"errors":[{"extensions":{"code":"CustomerNotFound","isValidationError":true}}]}`:      true,
	} {
		c, _ := serve(t, says(200, body))
		_, err := c.Report(context.Background(), []gate.Usage{usage("k1")})
		var e *gate.UpstreamError
		if !errors.As(err, &e) || (e.Kind == gate.UpstreamRefusedAll) != want {
			t.Errorf("%s: of all: %t, want %t", body, !want, want)
		}
	}
}

func TestAnErrorTellsTheTraceAndKeepsTheMessageApart(t *testing.T) {
	c, _ := serve(t, says(200, refusalJSON("BrandNew")))
	_, err := c.Entitlements(context.Background(), acme)
	e := errorOf(t, err)
	if e.TraceID != "t-1" || e.Message != "no victim" || e.Code != "BrandNew" || e.HTTPStatus != 200 {
		t.Errorf("got %q, %q, %q, %d", e.TraceID, e.Message, e.Code, e.HTTPStatus)
	}
	if want := "stigg: GetEntitlementsState: BrandNew, HTTP 200, trace t-1"; err.Error() != want {
		t.Errorf("the text is %q, want %q", err, want)
	}
	for _, text := range append(renderings(err), renderings(*e)...) {
		noSecret(t, text)
	}
}

func TestAnErrorTakesNoTextFromStiggThatIsNoWord(t *testing.T) {
	for name, body := range map[string]string{
		"sentences":       `{"errors":[{"extensions":{"code":"customer victim was not found","traceId":"of victim!"}}]}`,
		"the key":         `{"errors":[{"message":"` + testKey + ` is bad","extensions":{"code":"` + testKey + `","traceId":"` + testKey + `"}}]}`,
		"endless words":   `{"errors":[{"extensions":{"code":"` + strings.Repeat("x", 99) + `","traceId":"` + strings.Repeat("-", 200) + `"}}]}`,
		"line breaks":     `{"errors":[{"extensions":{"code":"A\nvictim","traceId":"\u001b[31m"}}]}`,
		"not even UTF-8":  "{\"errors\":[{\"extensions\":{\"code\":\"\xff\",\"traceId\":\"\xff\"}}]}",
		"letters of else": `{"errors":[{"extensions":{"code":"Çustomer","traceId":"é"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, says(200, body))
			_, err := c.Entitlements(context.Background(), acme)
			e := errorOf(t, err)
			if strings.Contains(e.Message, testKey) {
				t.Error("the message has the key")
			}
			if strings.ContainsAny(err.Error(), "\n\x1b\ufffd") || len(err.Error()) > 300 {
				t.Errorf("the text is %q", err)
			}
			for _, text := range renderings(err) {
				noSecret(t, text)
			}
		})
	}
}

func TestAnErrorTakesNoKeyThatIsAWord(t *testing.T) {
	const key = "serverKeyOfLetters"
	a := answer{op: "Op", status: 200, body: []byte(`{"errors":[{"message":"` + key + `","extensions":{"code":"x` + key + `","traceId":"` + key + `"}}]}`)}
	e := a.decode(&struct{}{}, newSecret(key).within, day(1))
	if e.Code != ErrUnknown || e.TraceID != "" || e.Message != "" {
		t.Errorf("got %q, %q, %q", e.Code, e.TraceID, e.Message)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	c, _ := serve(t, says(200, `{"errors":[{"message":"`+strings.Repeat("é", 5000)+`"}]}`))
	_, err := c.Entitlements(context.Background(), acme)
	if n := len(errorOf(t, err).Message); n == 0 || n > 1024 {
		t.Errorf("the message has %d bytes", n)
	}
}

func TestRetryAfterIsReadFromTheAnswer(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	limited := refusalJSON("RateLimitExceeded")
	for name, test := range map[string]struct {
		status        int
		header, value string
		body          string
		want          time.Duration
	}{
		"seconds":                       {status: 429, header: "Retry-After", value: "12", want: 12 * time.Second},
		"seconds at HTTP 503":           {status: 503, header: "Retry-After", value: "3", want: 3 * time.Second},
		"a date":                        {status: 429, header: "Retry-After", value: "Mon, 04 May 2026 12:00:30 GMT", want: 30 * time.Second},
		"a date that has passed":        {status: 429, header: "Retry-After", value: "Mon, 04 May 2026 11:00:30 GMT"},
		"a fraction":                    {status: 429, header: "Retry-After", value: "0.5", want: 500 * time.Millisecond},
		"a negative number":             {status: 429, header: "Retry-After", value: "-5"},
		"no number":                     {status: 429, header: "Retry-After", value: "soon"},
		"not a number":                  {status: 429, header: "Retry-After", value: "NaN"},
		"for ever":                      {status: 429, header: "Retry-After", value: "Inf", want: 24 * time.Hour},
		"a year":                        {status: 429, header: "Retry-After", value: "31536000", want: 24 * time.Hour},
		"a reset in seconds since 1970": {status: 429, header: "X-RateLimit-Reset", value: "1777896020", want: 20 * time.Second},
		"a reset in milliseconds":       {status: 429, header: "X-RateLimit-Reset", value: "1777896020000", want: 20 * time.Second},
		"a reset in seconds from now":   {status: 429, header: "X-RateLimit-Reset", value: "20", want: 20 * time.Second},
		"a reset in ISO 8601":           {status: 429, header: "X-RateLimit-Reset", value: "2026-05-04T12:00:20Z", want: 20 * time.Second},
		"a reset at HTTP 200":           {status: 200, header: "X-RateLimit-Reset", value: "20", body: limited, want: 20 * time.Second},
		"a reset of no limit hit":       {status: 500, header: "X-RateLimit-Reset", value: "20"},
		"nothing said":                  {status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			h.Set(test.header, test.value)
			a := answer{op: "Op", status: test.status, header: h, body: []byte(test.body)}
			e := a.decode(&struct{}{}, func(string) bool { return false }, now)
			if e == nil || e.RetryAfter() != test.want {
				t.Errorf("got %v, want %v", e.RetryAfter(), test.want)
			}
		})
	}
}

func TestErrorsOfTheOperationRefuseNoMeasurement(t *testing.T) {
	for _, code := range []string{"GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"} {
		c, _ := serve(t, says(200, refusalJSON(code)))
		usage := gate.Usage{Customer: acme, FeatureID: "f", Value: 1, Key: "k", CreatedAt: day(4)}
		_, err := c.Report(context.Background(), []gate.Usage{usage})
		var e *gate.UpstreamError
		if !errors.As(err, &e) || e.Kind != gate.UpstreamDown || !errors.Is(err, ErrInvalidInput) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
