# What `cmake --install` puts on a machine: the program, one shared library with its public headers, a CMake
# package, a pkg-config file, and the default model.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# One library from all rooms: users link autoglm::autoglm and need none of our dependencies' headers.
set(rooms base tensor quant formats text kernels graph devices models engine runtime train observe state guard serve)
add_library(libautoglm SHARED ${CMAKE_SOURCE_DIR}/src/version.cc)
set_target_properties(libautoglm PROPERTIES OUTPUT_NAME autoglm EXPORT_NAME autoglm
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_include_directories(libautoglm PUBLIC
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(libautoglm INTERFACE cxx_std_20)
# All of every room, whether something in the library itself needs it or not; what rooms link comes after.
list(TRANSFORM rooms PREPEND autoglm_)
list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE archives)
list(JOIN archives "," archives)
target_link_libraries(libautoglm PRIVATE "-Wl,--whole-archive,${archives},--no-whole-archive" ${rooms})

install(TARGETS autoglm RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libautoglm EXPORT autoglm LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/autoglm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/models/tiny-glm DESTINATION ${CMAKE_INSTALL_DATADIR}/autoglm/models)
install(EXPORT autoglm NAMESPACE autoglm:: FILE autoglmTargets.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/autoglm)
file(WRITE ${CMAKE_BINARY_DIR}/autoglmConfig.cmake
  "include(\${CMAKE_CURRENT_LIST_DIR}/autoglmTargets.cmake)\n")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/autoglmConfigVersion.cmake COMPATIBILITY SameMinorVersion)
# Relative, so that an installed tree may be moved.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_SOURCE_DIR}/cmake/autoglm.pc.in ${CMAKE_BINARY_DIR}/autoglm.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/autoglmConfig.cmake ${CMAKE_BINARY_DIR}/autoglmConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/autoglm)
install(FILES ${CMAKE_BINARY_DIR}/autoglm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
