// Everything that cuebm offers.
#pragma once

#include <cuebm/array.hpp>
#include <cuebm/assign.hpp>
#include <cuebm/context.hpp>
#include <cuebm/diagnostics.hpp>
#include <cuebm/draws_file.hpp>
#include <cuebm/energy.hpp>
#include <cuebm/error.hpp>
#include <cuebm/file.hpp>
#include <cuebm/kmeans.hpp>
#include <cuebm/kmeans_balanced.hpp>
#include <cuebm/kmeans_mini_batch.hpp>
#include <cuebm/kmeans_soft.hpp>
#include <cuebm/resume.hpp>
#include <cuebm/running.hpp>
#include <cuebm/sample.hpp>
#include <cuebm/version.hpp>
#include <cuebm/view.hpp>
