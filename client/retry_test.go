package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
)

// script is a transport that plays one answer after the other, the last one for
// ever, and notes when it was asked.
type script struct {
	answers []func() (*http.Response, error)
	at      []time.Time
	bodies  []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	s.bodies = append(s.bodies, string(body))
	s.at = append(s.at, time.Now())
	return s.answers[min(len(s.at), len(s.answers))-1]()
}

// gaps are the waits between the attempts.
func (s *script) gaps() []time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(s.at); i++ {
		gaps = append(gaps, s.at[i].Sub(s.at[i-1]))
	}
	return gaps
}

func plays(answers ...func() (*http.Response, error)) *script { return &script{answers: answers} }

// replies is one answer; headers are name, value, name, value...
func replies(status int, body string, headers ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func drops() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

func scripted(t *testing.T, s *script, opts ...Option) *Client {
	t.Helper()
	c, err := New(testKey, append([]Option{WithHTTPClient(&http.Client{Transport: s})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReadsAndKeyedUsageAreRepeated(t *testing.T) {
	measured := `{"featureId":"feature-a","customerId":"acme","timestamp":"2026-05-04T12:30:00Z"}`
	for name, test := range map[string]struct {
		good string
		call func(*Client) error
	}{
		"Entitlements": {emptySet, func(c *Client) error { _, err := c.Entitlements(context.Background(), acme); return err }},
		"ReportUsage": {`{"data":{"reportUsage":` + measured + `}}`, func(c *Client) error {
			_, err := c.ReportUsage(context.Background(), Measurement{Customer: acme, FeatureID: "feature-a", Value: 1, Key: "k"})
			return err
		}},
		"Report": {`{"data":{"reportUsageBulk":[` + measured + `]}}`, func(c *Client) error {
			_, err := c.Report(context.Background(), []gate.Usage{usage("k")})
			return err
		}},
		"ReportEvent": {`{"data":{"reportEvent":null}}`, func(c *Client) error {
			return c.ReportEvent(context.Background(), []Event{{Customer: acme, Name: "e", Key: "k"}})
		}},
		"GetCustomerByRefID": {`{"data":{"getCustomerByRefId":{"customerId":"acme"}}}`, func(c *Client) error {
			_, err := c.GetCustomer(context.Background(), "acme")
			return err
		}},
	} {
		for failure, fail := range map[string]func() (*http.Response, error){
			"a dropped connection": drops,
			"HTTP 503":             replies(503, "<html>"),
			"HTTP 429":             replies(429, ""),
			"an outage by code":    replies(200, refusalJSON("UnexpectedError")),
			"a page of HTML":       replies(200, "<html>"),
		} {
			t.Run(name+" after "+failure, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := plays(fail, replies(200, test.good))
					if err := test.call(scripted(t, s)); err != nil {
						t.Fatal(err)
					}
					if len(s.bodies) != 2 || s.bodies[0] != s.bodies[1] || s.bodies[0] == "" {
						t.Errorf("sent %q", s.bodies)
					}
				})
			})
		}
	}
}

func TestProvisioningIsSentOnce(t *testing.T) {
	for failure, fail := range map[string]func() (*http.Response, error){
		"a dropped connection": drops,
		"HTTP 503":             replies(503, ""),
		"HTTP 429":             replies(429, "", "Retry-After", "1"),
		"an outage by code":    replies(200, refusalJSON("UnexpectedError")),
	} {
		t.Run(failure, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := plays(fail)
				c := scripted(t, s, WithRetry(10, time.Minute))
				if _, err := c.ProvisionCustomer(context.Background(), CustomerInput{ID: "acme"}); err == nil {
					t.Error("ProvisionCustomer gave no error")
				}
				_, err := c.ProvisionSubscription(context.Background(), ProvisionSubscriptionInput{
					CustomerID: "acme", SubscriptionParams: SubscriptionParams{PlanID: "plan-a"}})
				if e := errorOf(t, err); !e.Retryable || e.Permanent() {
					t.Errorf("the error is %v", err)
				}
				if len(s.at) != 2 {
					t.Errorf("%d requests were made, want 2", len(s.at))
				}
			})
		})
	}
}

func TestWhatWontPassIsNotRepeated(t *testing.T) {
	for name, fail := range map[string]func() (*http.Response, error){
		"a refused key":        replies(401, ""),
		"a refused permission": replies(403, ""),
		"a refusal":            replies(200, refusalJSON("FeatureNotFound")),
		"an unknown code":      replies(200, refusalJSON("BrandNew")),
		"odd types":            replies(200, `{"data":{"entitlementsState":7}}`),
		"a redirect":           replies(302, "", "Location", "https://example.com"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := plays(fail)
				c := scripted(t, s, WithRetry(10, time.Minute))
				if _, err := c.Report(context.Background(), []gate.Usage{usage("k")}); err == nil {
					t.Error("Report gave no error")
				}
				if len(s.at) != 1 {
					t.Errorf("%d requests were made, want 1", len(s.at))
				}
			})
		})
	}
}

func TestWaitsDoubleAreJitteredAndBounded(t *testing.T) {
	for random, want := range map[float64][]time.Duration{
		0:   {50e6, 100e6, 200e6, 350e6, 350e6},
		0.5: {75e6, 150e6, 300e6, 525e6, 525e6},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := plays(replies(503, ""))
			c := scripted(t, s, WithRetry(6, 700*time.Millisecond))
			c.random = func() float64 { return random }
			if _, err := c.Entitlements(context.Background(), acme); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("the error is %v", err)
			}
			got := s.gaps()
			if len(got) != len(want) {
				t.Fatalf("the waits are %v, want %v", got, want)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("wait %d is %v, want %v", i, got[i], want[i])
				}
			}
		})
	}
}

func TestRetryAfterIsObeyedUpToTheLongestWait(t *testing.T) {
	t.Run("within it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := plays(replies(429, "", "Retry-After", "2"), replies(200, emptySet))
			c := scripted(t, s, WithRetry(2, 5*time.Second))
			if _, err := c.Entitlements(context.Background(), acme); err != nil {
				t.Fatal(err)
			}
			if gaps := s.gaps(); len(gaps) != 1 || gaps[0] != 2*time.Second {
				t.Errorf("the waits are %v", gaps)
			}
		})
	})
	t.Run("beyond it, by ending the call at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := plays(replies(429, "", "Retry-After", "12"))
			c := scripted(t, s, WithRetry(5, 5*time.Second))
			start := time.Now()
			_, err := c.Entitlements(context.Background(), acme)
			if e := errorOf(t, err); e.RetryAfter() != 12*time.Second || !errors.Is(err, ErrRateLimited) {
				t.Errorf("the error is %v", err)
			}
			if len(s.at) != 1 || time.Since(start) != 0 {
				t.Errorf("%d requests in %v", len(s.at), time.Since(start))
			}
		})
	})
}

func TestTheContextBoundsTheWaits(t *testing.T) {
	t.Run("a deadline before the next attempt ends the call at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := plays(replies(503, "", "Retry-After", "2"))
			c := scripted(t, s, WithRetry(5, 5*time.Second))
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			start := time.Now()
			if _, err := c.Entitlements(ctx, acme); !errors.Is(err, ErrUnavailable) {
				t.Errorf("the error is %v", err)
			}
			if len(s.at) != 1 || time.Since(start) != 0 {
				t.Errorf("%d requests in %v", len(s.at), time.Since(start))
			}
		})
	})
	t.Run("a cancellation ends the wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := plays(replies(503, "", "Retry-After", "4"))
			c := scripted(t, s, WithRetry(5, 5*time.Second))
			ctx, cancel := context.WithCancel(context.Background())
			start := time.Now()
			time.AfterFunc(time.Second, cancel)
			if _, err := c.Entitlements(ctx, acme); !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
			if len(s.at) != 1 || time.Since(start) != time.Second {
				t.Errorf("%d requests in %v", len(s.at), time.Since(start))
			}
		})
	})
}

func TestProvisioningIsGivenMoreTime(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		time.Second: 30 * time.Second,
		time.Minute: time.Minute,
	} {
		c, err := New(testKey, WithTimeout(d))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.timeoutOf(operation{name: "ProvisionSubscription", mutation: true}); got != want {
			t.Errorf("with %v it is %v, want %v", d, got, want)
		}
		if got := c.timeoutOf(operationOf(opReportUsageBulk, "mutation ")); got != d {
			t.Errorf("with %v usage is given %v", d, got)
		}
	}
}

func TestAFailedAttemptLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := plays(replies(200, `{"data":{"entitlementsState":{"accessDeniedReason":"CustomerNotFound","entitlementsV2":[]}},
			"errors":[{"extensions":{"code":"UnexpectedError"}}]}`), replies(200, emptySet))
		set, err := scripted(t, s).Entitlements(context.Background(), acme)
		if err != nil || set.Denied != "" {
			t.Errorf("got %+v, %v", set, err)
		}
	})
}
