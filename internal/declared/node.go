// Package declared makes policies of what a document says, whatever its syntax is. The words are
// those of gate.Policy's methods.
package declared

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Kind is what a Node is.
type Kind uint8

// The kinds of nodes.
const (
	Null Kind = iota
	Bool
	Number
	Text
	List
	Map
)

func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "a map"}[k]
}

// Node is a value of a document, and where it stands.
type Node struct {
	Line, Column int
	Kind         Kind
	Text         string
	Number       float64
	Bool         bool
	Items        []*Node // of a List
	Fields       []Field // of a Map
}

// Field is a key of a map and its value.
type Field struct{ Key, Value *Node }

// Error is what is wrong at one place of a document.
type Error struct {
	Line, Column int
	Err          error
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %v", e.Line, e.Column, e.Err) }

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// Wrong says what is wrong with a node.
func (n *Node) Wrong(err error) error {
	if e := (*Error)(nil); err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{n.Line, n.Column, err}
}

// wants is Wrong for a node of another kind.
func (n *Node) wants(what string) error {
	is := n.Kind.String()
	switch {
	case n.Kind == Bool:
		is = strconv.FormatBool(n.Bool)
	case n.Kind == Text && len(n.Text) < 40:
		is += " " + strconv.Quote(n.Text)
	}
	return n.Wrong(fmt.Errorf("this is %s; it takes %s", is, what))
}

// Each calls f with every key of a map, in order, and joins the errors. A key that stands there
// twice is one.
func (n *Node) Each(f func(key *Node, value *Node) error) error {
	if n.Kind != Map {
		return n.wants(Map.String())
	}
	var problems []error
	seen := make(map[string]bool)
	for _, field := range n.Fields {
		key := field.Key
		switch {
		case key.Kind != Text:
			problems = append(problems, key.Wrong(errors.New("a key is text: put it in quotes")))
		case seen[key.Text]:
			problems = append(problems, key.Wrong(fmt.Errorf("%q stands here twice", key.Text)))
		default:
			seen[key.Text] = true
			problems = append(problems, key.Wrong(f(key, field.Value)))
		}
	}
	return errors.Join(problems...)
}

func (n *Node) text() (string, error) {
	if n.Kind != Text {
		return "", n.wants("text")
	}
	return n.Text, nil
}

func (n *Node) bool() (bool, error) {
	if n.Kind != Bool {
		return false, n.wants("true or false")
	}
	return n.Bool, nil
}

func (n *Node) number() (float64, error) {
	if n.Kind != Number {
		return 0, n.wants("a number")
	}
	return n.Number, nil
}

func (n *Node) integer() (int, error) {
	if n.Kind != Number || n.Number != math.Trunc(n.Number) || math.Abs(n.Number) > 1<<53 {
		return 0, n.wants("a whole number")
	}
	return int(n.Number), nil
}

// list makes a slice of a list's items.
func list[T any](n *Node, of func(*Node) (T, error)) ([]T, error) {
	if n.Kind != List {
		return nil, n.wants("a list")
	}
	var problems []error
	all := make([]T, 0, len(n.Items))
	for _, item := range n.Items {
		one, err := of(item)
		all, problems = append(all, one), append(problems, err)
	}
	return all, errors.Join(problems...)
}

// One chooses by the text of a node.
func one[T any](n *Node, choices map[string]T, what string) (T, error) {
	choice, known := choices[n.Text]
	if n.Kind != Text || !known {
		return choice, n.wants(what)
	}
	return choice, nil
}
