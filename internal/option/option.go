// Package option makes options: functions that change a configuration, and return an error if what
// they were given can't be.
package option

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Apply changes c by each option, and returns what is wrong with any of them.
func Apply[C any, O ~func(*C) error](c *C, options []O) (problems []error) {
	for i, option := range options {
		if option == nil {
			problems = append(problems, fmt.Errorf("option %d is nil", i+1))
		} else if err := option(c); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// Nil reports whether there is nothing in v: it is nil, or a pointer or function that is, as what a call
// returns beside an error.
func Nil(v any) bool {
	r := reflect.ValueOf(v)
	return v == nil || (r.Kind() == reflect.Pointer || r.Kind() == reflect.Func) && r.IsNil()
}

// Must panics where there is nothing in v, in the words of the package whose caller has forgotten it.
func Must(pkg, what string, v any) {
	if Nil(v) {
		panic(pkg + ": the " + what + " is nil")
	}
}

// Valid is what v says is wrong with it, if it can say that.
func Valid(v any) error {
	if v, ok := v.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// Once is an option for a part that there is one of: v, which must be there. Another one would be left
// without a word, and what it has with it. what names it in the error.
func Once[C, V any](what string, v V, field func(*C) *V) func(*C) error {
	return func(c *C) error {
		at := field(c)
		switch {
		case Nil(v):
			return errors.New("the " + what + " is nil")
		case !reflect.ValueOf(at).Elem().IsZero():
			return errors.New("the " + what + " is given twice")
		}
		*at = v
		return nil
	}
}

// Given is an option whose value must be there: it is, or is nil. The last one given counts.
func Given[C any](what string, is bool, set func(*C)) func(*C) error {
	return func(c *C) error {
		if !is {
			return errors.New("the " + what + " is nil")
		}
		set(c)
		return nil
	}
}

// Set is an option that can't be wrong.
func Set[C any](set func(*C)) func(*C) error {
	return func(c *C) error {
		set(c)
		return nil
	}
}

// Known is an option with a value that is one of those up to the last.
func Known[C any, N ~uint8](what string, n, last N, set func(*C)) func(*C) error {
	return func(c *C) error {
		set(c)
		if n > last {
			return fmt.Errorf("there is no %s of kind %d", what, n)
		}
		return nil
	}
}

// Positive is an option whose value n must be above 0.
func Positive[C any, N int | time.Duration](what string, n N, set func(*C)) func(*C) error {
	return func(c *C) error {
		set(c)
		if d, is := any(n).(time.Duration); is {
			return Duration(what, d)
		}
		if n <= 0 {
			return fmt.Errorf("the %s must be positive, not %v", what, n)
		}
		return nil
	}
}

// Duration says what is wrong with a duration: it is not above 0, or so short that its unit was forgotten.
func Duration(what string, d time.Duration) error {
	switch {
	case d <= 0:
		return fmt.Errorf("the %s must be positive, not %v", what, d)
	case d < 100*time.Microsecond:
		return fmt.Errorf("the %s is %v: a number alone counts nanoseconds; write %d*time.Second or %d*time.Millisecond", what, d, d, d)
	}
	return nil
}

// AtLeast sets a duration that no option gave, and says what is wrong with one that is below another.
func AtLeast(what string, d *time.Duration, otherwise time.Duration, least string, than time.Duration) error {
	if *d == 0 {
		*d = max(otherwise, than)
	}
	if *d < than {
		return fmt.Errorf("the %s, %v, is below the %s, %v", what, *d, least, than)
	}
	return nil
}

// Needs says that an option is of no use, if it is given without what it is about.
func Needs(given bool, what string, there bool, needed string) error {
	if given && !there {
		return fmt.Errorf("%s is of no use without %s", what, needed)
	}
	return nil
}
