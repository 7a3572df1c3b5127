# autoglm_room(NAME DEPENDS targets... [EXCLUDE regex]): one static library from all .cc files of the calling
# folder (but those that match), one test program from its *_test.cc, one benchmark from its *_bench.cc. Files
# whose names end in an instruction set are compiled for it; everything else is plain x86-64, so that one program
# runs anywhere.

add_library(autoglm_options INTERFACE)
target_compile_options(autoglm_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wno-sign-conversion
  # Promise 1: a*b+c is one operation only where the source says fma.
  -ffp-contract=off
  $<$<CXX_COMPILER_ID:Clang>:-Wno-gnu-statement-expression -Wno-missing-field-initializers>
  # Designated initialisers leave the rest at the defaults that the struct states.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers>)
# An index behind the end of a vector, span or string ends the program with a message, in tests and at users'.
target_compile_definitions(autoglm_options INTERFACE _GLIBCXX_ASSERTIONS)
target_include_directories(autoglm_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
target_link_libraries(autoglm_options INTERFACE fmt::fmt Threads::Threads)

set(AUTOGLM_FLAGS_avx2 "-mavx2;-mfma;-mf16c;-mbmi;-mbmi2")
set(AUTOGLM_FLAGS_avx512
  "${AUTOGLM_FLAGS_avx2};-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mprefer-vector-width=512")
# g++ 12 sees its own AVX-512 header use what it leaves undefined on purpose (GCC bug 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND AUTOGLM_FLAGS_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
set(AUTOGLM_FLAGS_amx "${AUTOGLM_FLAGS_avx512};-mavx512bf16;-mamx-tile;-mamx-int8;-mamx-bf16")

# Gives the files of an instruction set its flags.
function(autoglm_instruction_sets)
  foreach(file ${ARGN})
    foreach(isa avx2 avx512 amx)
      if(file MATCHES "(^|[/_])${isa}\\.cc$")
        # -O2 leaves the short loops over registers rolled, and their arrays in memory: 2 to 4 times slower. Checks of
        # indices have no place inside them; their tests keep guard bytes behind every end.
        set_source_files_properties(${file} PROPERTIES
          COMPILE_OPTIONS "${AUTOGLM_FLAGS_${isa}};-U_GLIBCXX_ASSERTIONS;$<$<CONFIG:Release>:-O3>")
      endif()
    endforeach()
  endforeach()
endfunction()

# What every test program takes: where the checkout lies, and the headers of all tests, compiled once.
if(AUTOGLM_TESTS)
  add_library(autoglm_test_support STATIC ${CMAKE_SOURCE_DIR}/tests/support/source_folder.cc)
  target_compile_definitions(autoglm_test_support PRIVATE AUTOGLM_SOURCE_FOLDER="${CMAKE_SOURCE_DIR}")
  target_include_directories(autoglm_test_support PUBLIC ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(autoglm_test_support PUBLIC autoglm_options GTest::gmock)
  # g++ 12 forgets which precompiled headers are the system's, and warns of what its own strings might do
  # (GCC bugs 105329, 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(autoglm_test_support PUBLIC -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
  endif()
  add_executable(autoglm_test_headers ${CMAKE_SOURCE_DIR}/tests/support/headers.cc)
  target_link_libraries(autoglm_test_headers PRIVATE autoglm_test_support)
  target_precompile_headers(autoglm_test_headers PRIVATE
    <gmock/gmock.h> <gtest/gtest.h> <fmt/format.h> <algorithm> <filesystem> <fstream> <functional> <map> <random>)
endif()

# One test program, its cases known to ctest one by one.
function(autoglm_test NAME)
  cmake_parse_arguments(TEST "" "LABEL;TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  if(NOT TEST_LABEL)
    set(TEST_LABEL unit)
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${NAME} ${TEST_SOURCES})
  target_link_libraries(${NAME} PRIVATE autoglm_test_support ${TEST_DEPENDS} GTest::gtest_main)
  target_precompile_headers(${NAME} REUSE_FROM autoglm_test_headers)
  include(GoogleTest)
  gtest_discover_tests(${NAME} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    # No keys of whoever runs the tests.
    PROPERTIES LABELS ${TEST_LABEL} TIMEOUT ${TEST_TIMEOUT}
    ENVIRONMENT XDG_STATE_HOME=${CMAKE_BINARY_DIR}/no-state)
endfunction()

function(autoglm_room NAME)
  cmake_parse_arguments(ROOM "" "EXCLUDE" "DEPENDS;TEST_DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  if(ROOM_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${ROOM_EXCLUDE}")
  endif()
  set(tests ${sources})
  set(benches ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cc$")
  autoglm_instruction_sets(${sources})
  add_library(autoglm_${NAME} STATIC ${sources})
  target_link_libraries(autoglm_${NAME} PUBLIC autoglm_options ${ROOM_DEPENDS})
  if(AUTOGLM_TESTS AND tests)
    autoglm_test(${NAME}_test SOURCES ${tests} DEPENDS autoglm_${NAME} ${ROOM_TEST_DEPENDS})
  endif()
  if(AUTOGLM_BENCHMARKS AND benches)
    add_executable(${NAME}_bench ${benches})
    target_link_libraries(${NAME}_bench PRIVATE autoglm_${NAME} benchmark::benchmark_main)
  endif()
endfunction()

# One fuzz target from tests/fuzz/NAME.cc and what else it names. Under the fuzz preset it is a libFuzzer program; elsewhere the
# same file replays its corpus as an ordinary test.
function(autoglm_fuzz NAME)
  cmake_parse_arguments(FUZZ "" "" "SOURCES;DEPENDS" ${ARGN})
  if(AUTOGLM_FUZZ)
    add_executable(fuzz_${NAME} ${NAME}.cc ${FUZZ_SOURCES})
    target_link_options(fuzz_${NAME} PRIVATE -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers fuzz_${NAME})
  else()
    add_executable(fuzz_${NAME} ${NAME}.cc ${FUZZ_SOURCES} replay.cc)
    add_test(NAME FuzzCorpus.${NAME} COMMAND fuzz_${NAME} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${NAME})
    set_tests_properties(FuzzCorpus.${NAME} PROPERTIES LABELS unit TIMEOUT 120)
  endif()
  target_link_libraries(fuzz_${NAME} PRIVATE autoglm_options ${FUZZ_DEPENDS})
endfunction()
