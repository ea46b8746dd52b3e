package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestMetadataKeepsItsDigits(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"updateOneCustomer":{"customerId":"acme","additionalMetaData":{"n":7}}}}`))
	got, err := c.UpdateCustomer(t.Context(), CustomerInput{ID: "acme", Metadata: map[string]any{"big": 12345678901234567, "small": 1e-9, "list": []any{1, nil}}})
	if err != nil || got.Metadata["n"] != 7.0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := `{"additionalMetaData":{"big":12345678901234567,"list":[1,null],"small":1e-9},"customerId":"acme"}`
	if sent := string(rec.last(t).body.Variables["input"]); sent != want {
		t.Errorf("sent %s", sent)
	}
}

func TestWhatACallDoesNotTakeIsRefusedAndNamed(t *testing.T) {
	c, rec := serve(t, says(200, "{}"))
	_, err := c.UpdateCustomer(t.Context(), CustomerInput{ID: "acme", Subscription: &SubscriptionParams{PlanID: "p"}})
	if !errors.Is(err, ErrInvalidInput) || !strings.Contains(err.Error(), "subscriptionParams") || rec.count() != 0 {
		t.Errorf("the error is %v, %d requests", err, rec.count())
	}
}

func TestAnEmptyListIsSentAndAMissingOneIsNot(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"updateOneSubscription":{"subscriptionId":"s","customer":{"customerId":"acme"}}}}`))
	_, err := c.UpdateSubscription(t.Context(), UpdateSubscriptionInput{SubscriptionParams: SubscriptionParams{SubscriptionID: "s", Addons: []AddonQuantity{}}})
	if err != nil {
		t.Fatal(err)
	}
	if sent := string(rec.last(t).body.Variables["input"]); sent != `{"addons":[],"subscriptionId":"s"}` {
		t.Errorf("sent %s", sent)
	}
}

func TestAListWhoseCursorLeadsNowhereEnds(t *testing.T) {
	for name, info := range map[string]string{
		"the same cursor again": `{"hasNextPage":true,"endCursor":"c"}`,
		"no cursor":             `{"hasNextPage":true,"endCursor":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, rec := serve(t, says(200, `{"data":{"customers":{"edges":[{"node":{"customerId":"a"}}],"pageInfo":`+info+`,"totalCount":2}}}`))
			n := 0
			var last error
			for _, err := range c.AllCustomers(t.Context(), CustomerQuery{}) {
				if n++; n > 5 {
					t.Fatal("it goes on for ever")
				}
				last = err
			}
			if !errors.Is(last, ErrBadResponse) || rec.count() > 2 {
				t.Errorf("%d members, %d requests, %v", n, rec.count(), last)
			}
		})
	}
}

// TestAListThatLeadsBackEnds: as a cursor does that names a member which is gone.
func TestAListThatLeadsBackEnds(t *testing.T) {
	for _, loop := range []struct{ before, length int }{{0, 2}, {3, 2}, {0, 7}, {20, 5}} {
		t.Run(fmt.Sprintf("after %d pages, %d pages", loop.before, loop.length), func(t *testing.T) {
			page := 0
			c, rec := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				cursor := page
				if page >= loop.before {
					cursor = loop.before + (page-loop.before)%loop.length
				}
				page++
				_, _ = fmt.Fprintf(w, `{"data":{"customers":{"edges":[{"node":{"customerId":"a"}}],"pageInfo":{"hasNextPage":true,"endCursor":"c%d"}}}}`, cursor)
			})
			n := 0
			var last error
			for _, err := range c.AllCustomers(t.Context(), CustomerQuery{}) {
				if n++; n > 4*(loop.before+loop.length) {
					t.Fatal("it goes on for ever")
				}
				last = err
			}
			if !errors.Is(last, ErrBadResponse) {
				t.Errorf("%d members, %d requests, %v", n, rec.count(), last)
			}
		})
	}
}

func TestAListIsReadAsFarAsItIsRangedOver(t *testing.T) {
	page := 0
	c, rec := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		page++
		_, _ = fmt.Fprintf(w, `{"data":{"customers":{"edges":[{"node":{"customerId":"a%d"}},{"node":{"customerId":"b%d"}}],"pageInfo":{"hasNextPage":%t,"endCursor":"c%d"}}}}`, page, page, page < 500, page)
	})
	n := 0
	for _, err := range c.AllCustomers(t.Context(), CustomerQuery{Paging: Paging{Size: 2}}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}
	if rec.count() != 2 {
		t.Errorf("%d requests for 3 members of pages of 2", rec.count())
	}
	page, n = 0, 0
	for one, err := range c.AllCustomers(t.Context(), CustomerQuery{Paging: Paging{Size: 2}}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; one.ID == "" {
			t.Fatal("a customer has no id")
		}
	}
	if n != 1000 {
		t.Errorf("%d of 1,000 customers", n)
	}
}

func TestAPageIsChecked(t *testing.T) {
	c, rec := serve(t, says(200, "{}"))
	for name, p := range map[string]Paging{"a negative size": {Size: -1}, "too many": {Size: MaxPageSize + 1}, "both ways": {After: "a", Before: "b"}} {
		if _, err := c.Customers(t.Context(), CustomerQuery{Paging: p}); !errors.Is(err, ErrInvalidInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rec.count() != 0 {
		t.Errorf("%d requests were made", rec.count())
	}
}

func TestDoSendsAnyDocumentAsOthersAreSent(t *testing.T) {
	calls := 0
	c, rec := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"products":{"totalCount":1}}}`)
	}, WithRetry(2, 0))
	var out struct {
		Products struct{ TotalCount int }
	}
	document := "# mine\nquery CountOfProducts($n: Int) { products(paging: {first: $n}) { totalCount } }"
	if err := c.Do(t.Context(), document, map[string]any{"n": 5}, &out); err != nil || out.Products.TotalCount != 1 {
		t.Fatalf("got %+v, %v", out, err)
	}
	got := rec.last(t)
	if rec.count() != 2 || got.body.Query != document || got.body.OperationName != "CountOfProducts" || string(got.body.Variables["n"]) != "5" ||
		got.header.Get("x-graphql-operation-name") != "CountOfProducts" || got.header.Get("X-API-KEY") != testKey || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d requests, the last %+v", rec.count(), got)
	}
}

func TestDoSendsAMutationOnce(t *testing.T) {
	c, rec := serve(t, says(502, ""), WithRetry(3, 0))
	var out map[string]json.RawMessage
	err := c.Do(t.Context(), `mutation { archiveCustomer(input: {customerId: "victim"}) { id } }`, nil, &out)
	if !errors.Is(err, ErrUnavailable) || rec.count() != 1 || rec.last(t).body.OperationName != "" {
		t.Errorf("%v, %d requests", err, rec.count())
	}
	noSecret(t, err.Error())
}

func TestDoRefusesWhatItCantSend(t *testing.T) {
	c, rec := serve(t, says(200, "{}"))
	var out map[string]any
	for name, test := range map[string]struct {
		document       string
		variables, out any
	}{
		"no document":         {"", nil, &out},
		"no GraphQL":          {"query {", nil, &out},
		"two operations":      {"query A { a } query B { b }", nil, &out},
		"a fragment alone":    {"fragment F on T { a }", nil, &out},
		"a subscription":      {"subscription { a }", nil, &out},
		"nowhere to put it":   {"{ a }", nil, nil},
		"no pointer":          {"{ a }", nil, out},
		"a nil pointer":       {"{ a }", nil, (*int)(nil)},
		"variables of no use": {"{ a }", make(chan int), &out},
	} {
		t.Run(name, func(t *testing.T) {
			refusedHere(t, c.Do(t.Context(), test.document, test.variables, test.out))
		})
	}
	if rec.count() != 0 {
		t.Errorf("%d requests were made", rec.count())
	}
}
