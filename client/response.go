package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// answer is one HTTP answer, read whole.
type answer struct {
	op     string
	status int
	header http.Header
	body   []byte
}

// envelope is the JSON of a GraphQL answer. Data holds a pointer to what the data is
// decoded into, in the same pass as the rest: it is by far the largest part.
type envelope struct {
	Data   any            `json:"data"`
	Errors []graphqlError `json:"errors"`
}

// graphqlError is one member of errors. Its fields are read by hand: an odd type
// in one must not hide the code in another.
type graphqlError struct {
	Message    json.RawMessage `json:"message"`
	Extensions json.RawMessage `json:"extensions"`
}

// decode fills res from the answer. A list of errors is an error even beside data:
// what is missing from such data can't be told from what is not there. secretIn
// reports whether a text holds the API key.
func (a answer) decode(res any, secretIn func(string) bool, now time.Time) *Error {
	if len(a.body) > maxResponse {
		return a.fail(badResponse(a.op, "the answer is larger than 8 MiB"), now)
	}
	if crowded(a.body) {
		return a.fail(badResponse(a.op, "the answer has more objects or values than any may have"), now)
	}
	env := envelope{Data: res}
	err := json.Unmarshal(a.body, &env)
	switch {
	case len(env.Errors) > maxErrors:
		return a.fail(badResponse(a.op, "the answer has more than 1,000 errors"), now)
	case len(env.Errors) > 0:
		return a.fail(a.refused(env.Errors, secretIn), now)
	case a.status < 200 || a.status > 299:
		return a.fail(a.byStatus(), now)
	case err != nil:
		return a.fail(a.unreadable(err), now)
	case env.Data != res, reflect.ValueOf(res).Elem().IsZero() && len(a.members()) == 0:
		return a.fail(badResponse(a.op, "the answer has no data"), now)
	}
	return nil
}

// members are the members of the data, by root field.
func (a answer) members() map[string]json.RawMessage {
	var env struct {
		Data json.RawMessage `json:"data"`
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(a.body, &env) != nil || json.Unmarshal(env.Data, &members) != nil {
		return nil
	}
	return members
}

// partial reports whether the answer has data all the same.
func (a answer) partial() bool {
	for _, value := range a.members() {
		if !bytes.Equal(value, []byte("null")) {
			return true
		}
	}
	return false
}

// fail completes e with what the HTTP answer says.
func (a answer) fail(e *Error, now time.Time) *Error {
	e.HTTPStatus = a.status
	e.retryAfter = askedWait(a.header, e.Is(ErrRateLimited), now)
	return e
}

// unreadable is the error of a body that is no JSON, or JSON of other types than
// the schema's. The first may be a proxy's page and pass.
func (a answer) unreadable(err error) *Error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return badResponse(a.op, "the answer's types are not those of the schema")
	}
	e := badResponse(a.op, "the answer is not JSON")
	e.Retryable = true
	return e
}

// byStatus is the error of an HTTP status without a GraphQL error.
func (a answer) byStatus() *Error {
	e := &Error{Operation: a.op, Code: statusCode(a.status)}
	if e.Code == "" {
		e.Code, e.detail = ErrBadResponse, "unexpected HTTP status"
	}
	if a.status >= 300 && a.status <= 399 {
		e.detail = "redirects are not followed"
	}
	e.Retryable = passing(e.Code)
	return e
}

// refused is the error of a list of GraphQL errors. It speaks for the first of
// them that is not a refusal of the arguments, or else for the first.
func (a answer) refused(list []graphqlError, secretIn func(string) bool) *Error {
	speaker := &Error{Operation: a.op}
	permanent, named := a.decided() && !a.partial(), true
	for i, g := range list {
		one := g.read(secretIn)
		if one.Code == ErrUnknown && statusCode(a.status) != "" {
			one.Code = statusCode(a.status)
		}
		if i == 0 || permanent && !one.permanent {
			speaker.Code, speaker.Message, speaker.TraceID, speaker.Validation = one.Code, one.Message, one.TraceID, one.Validation
		}
		permanent, named = permanent && one.permanent, named && ofNamed(one.Code)
	}
	speaker.permanent, speaker.ofAll = permanent, permanent && named
	speaker.Retryable = passing(speaker.Code) || passing(statusCode(a.status))
	return speaker
}

// decided reports whether the status is one under which Stigg itself judges the
// arguments, rather than the key, the rate or its own health.
func (a answer) decided() bool {
	switch a.status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	}
	return a.status >= 200 && a.status <= 299
}

// read takes from one GraphQL error what may be shown.
func (g graphqlError) read(secretIn func(string) bool) Error {
	var ext struct {
		Code         json.RawMessage `json:"code"`
		TraceID      json.RawMessage `json:"traceId"`
		IsValidation json.RawMessage `json:"isValidationError"`
	}
	_ = json.Unmarshal(g.Extensions, &ext)
	e := Error{Code: ErrUnknown, Message: text(g.Message, 1024)}
	if secretIn(e.Message) {
		e.Message = ""
	}
	if code := text(ext.Code, 100); isWord(code, "_") && !secretIn(code) {
		e.Code = Code(code)
	}
	if trace := text(ext.TraceID, 100); isWord(trace, "_-:.") && !secretIn(trace) {
		e.TraceID = trace
	}
	e.permanent = refusal(e.Code)
	if e.Validation = bytes.Equal(ext.IsValidation, []byte("true")); e.Validation {
		switch family(e.Code) {
		case ErrUnauthenticated, ErrForbidden, ErrRateLimited, ErrUnavailable:
		default:
			e.permanent = true
		}
	}
	return e
}

// text is a JSON string of at most limit bytes; "" for anything else.
func text(raw json.RawMessage, limit int) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// isWord reports whether s is made of ASCII letters, digits and the given others:
// a code or a trace id, and no sentence about a customer.
func isWord(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}
