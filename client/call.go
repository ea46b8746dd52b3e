package client

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"

	"github.com/Yamashou/gqlgenc/clientv2"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// generated is a call of package gql.
type generated[In, Res any] func(context.Context, In, ...clientv2.RequestInterceptor) (*Res, error)

// call makes a generated call. in is the generated input, or a type of this package with the
// same JSON names; the answer's data is decoded into out, of which the same holds.
func call[In, Res any](ctx context.Context, op string, f generated[In, Res], in, out any) error {
	input, ok := in.(In)
	if !ok {
		if err := convert(op, in, &input); err != nil {
			return err
		}
	}
	_, err := f(ctx, input, into(out))
	return typed(op, err)
}

// into has the answer decoded into out instead of the generated type, of which all that may be
// null is a pointer.
func into(out any) clientv2.RequestInterceptor {
	return func(ctx context.Context, req *http.Request, info *clientv2.GQLRequestInfo, _ any, next clientv2.RequestInterceptorFunc) error {
		return next(ctx, req, info, out)
	}
}

// convert makes a generated input of one of this package's types. What the generated one has
// not is not dropped: the call does not take it.
func convert(op string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return invalid(op, "the arguments can't be encoded as JSON", nil)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // metadata keep their digits
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
			return invalid(op, "the call takes no "+strings.Trim(field, `"`), nil)
		}
		return invalid(op, "the arguments can't be encoded", nil)
	}
	return nil
}

// given is the error of a call that lacks what it needs: pairs of what and its value.
func given(op string, pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return invalid(op, "the "+pairs[i]+" is empty", nil)
		}
	}
	return nil
}

// amount is the error of a number that is negative or none.
func amount(op, what string, n float64) error {
	if !finite(n) || n < 0 {
		return invalid(op, "the "+what+" is negative or no number", nil)
	}
	return nil
}

// customerID and customer are the errors of malformed ids.

func customerID(op, id string) error { return customer(op, gate.Customer{ID: id}) }

func customer(op string, who gate.Customer) error {
	if err := who.Validate(); err != nil {
		return invalid(op, "", err)
	}
	return nil
}

// featureID holds an id to the pattern of features.
func featureID(op, id string) error {
	if err := checkFeatureID(id); err != nil {
		return invalid(op, "", err)
	}
	return nil
}

// MaxPageSize is the most members that are asked for in one page.
const MaxPageSize = 100

// Paging asks for one page of a list: the Size members after After, or those before Before.
// Cursors are those of a Page of the same list.
type Paging struct {
	Size   int // 0: 50; at most MaxPageSize
	After  string
	Before string
}

func (p Paging) input(op string) (*gql.CursorPaging, error) {
	const usual = 50
	n := p.Size
	switch {
	case p.Size < 0 || p.Size > MaxPageSize:
		return nil, invalid(op, "the size of a page is not within 0 and 100", nil)
	case p.After != "" && p.Before != "":
		return nil, invalid(op, "a page is after one cursor or before one, not both", nil)
	case n == 0:
		n = usual
	}
	if p.Before != "" {
		return &gql.CursorPaging{Last: &n, Before: &p.Before}, nil
	}
	return &gql.CursorPaging{First: &n, After: optional(p.After)}, nil
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	// Start and End are the cursors of the first and the last member.
	Start, End string
	// HasNext and HasPrevious say whether there are more after and before it.
	HasNext, HasPrevious bool
	// Total is how many the whole list has; 0 where Stigg does not say.
	Total int
}

// connection is a Page as Stigg's API has it.
type connection[T any] struct {
	Edges []struct {
		Node T `json:"node"`
	} `json:"edges"`
	PageInfo struct {
		Start       string `json:"startCursor"`
		End         string `json:"endCursor"`
		HasNext     bool   `json:"hasNextPage"`
		HasPrevious bool   `json:"hasPreviousPage"`
	} `json:"pageInfo"`
	Total int `json:"totalCount"`
}

func (c connection[T]) page() Page[T] {
	p := Page[T]{Items: make([]T, len(c.Edges)), Start: c.PageInfo.Start, End: c.PageInfo.End,
		HasNext: c.PageInfo.HasNext, HasPrevious: c.PageInfo.HasPrevious, Total: c.Total}
	for i, e := range c.Edges {
		p.Items[i] = e.Node
	}
	return p
}

// pages iterates over all members of a list, page by page. An error is the last that it yields.
func pages[T any](op string, first Paging, next func(Paging) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var way cursors
		for at := first; ; {
			p, err := next(at)
			if err == nil && p.HasNext && (p.End == "" || p.End == at.After || way.loops(p.End)) {
				err = badResponse(op, "the list has more members and no cursor that leads to them")
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if !p.HasNext {
				return
			}
			at = Paging{Size: first.Size, After: p.End}
		}
	}
}

// cursors finds that a list leads back to where it was, by one cursor that it remembers (Brent's
// algorithm): the loop is gone around a few times at most, whatever the length of the list.
type cursors struct {
	kept     string
	since, n int // pages since kept was, and after how many another one is kept
}

func (c *cursors) loops(cursor string) bool {
	if cursor == c.kept {
		return true
	}
	if c.since++; c.since >= c.n {
		c.kept, c.since, c.n = cursor, 0, max(1, 2*c.n)
	}
	return false
}

// Sort orders a list by a field of Stigg's, for instance "createdAt".
type Sort struct {
	Field      string
	Descending bool
}

// sortInput is Sort as Stigg's API has it.
type sortInput struct {
	Field     string `json:"field"`
	Direction string `json:"direction"`
}

func sorting(list []Sort) []sortInput {
	inputs := make([]sortInput, len(list))
	for i, s := range list {
		inputs[i] = sortInput{s.Field, "ASC"}
		if s.Descending {
			inputs[i].Direction = "DESC"
		}
	}
	return inputs
}

// list reads one page of a root field that takes filter, paging and sorting.
func list[T, F, S, Res any](ctx context.Context, op, field string, paging Paging, filter any, order []Sort,
	f func(context.Context, *F, *gql.CursorPaging, []*S, ...clientv2.RequestInterceptor) (*Res, error)) (Page[T], error) {
	at, err := paging.input(op)
	if err != nil {
		return Page[T]{}, err
	}
	var (
		where  *F
		sorted []*S
	)
	if err := convert(op, filter, &where); err != nil {
		return Page[T]{}, err
	}
	if err := convert(op, sorting(order), &sorted); err != nil {
		return Page[T]{}, err
	}
	if len(order) == 0 {
		sorted = nil
	}
	var out map[string]*connection[T]
	if _, err := f(ctx, where, at, sorted, into(&out)); err != nil {
		return Page[T]{}, typed(op, err)
	}
	if out[field] == nil {
		return Page[T]{}, badResponse(op, "the answer has no list")
	}
	return out[field].page(), nil
}

// errNone is not a failure of a call, but that its answer lacks what it must have.
func errNone(op, what string) error {
	return badResponse(op, "the answer has no "+what)
}
