#pragma once
/// Label selectors (metav1.LabelSelector) and plain selectors (Service.spec.selector). Pure.
#include <span>

#include "proto/kube/objects.h"

namespace fairlead::match {

/// All of the pairs are in `labels`. An empty selector matches nothing here: a Service without selector selects no Pod.
bool selects(const kube::Labels& selector, const kube::Labels& labels);
/// AND of all parts; an empty LabelSelector matches everything (apimachinery's rule).
bool matches(const kube::LabelSelector& selector, const kube::Labels& labels);
/// OR over the list; an empty list is answered with `when_empty`.
bool any_matches(std::span<const kube::LabelSelector> selectors, const kube::Labels& labels, bool when_empty);

}  // namespace fairlead::match
