# One out-of-source build directory; the verbose output shows in a log how everything was compiled.
%__cmake_builddir demo-build

%cmake \
  CFLAGS="${CFLAGS:-%{optflags}}" CXXFLAGS="${CXXFLAGS:-%{optflags}}" \
  cmake -S . -B %{__cmake_builddir} \\\
    -DCMAKE_BUILD_TYPE=RelWithDebInfo \\\
    -DCMAKE_INSTALL_PREFIX=%{_prefix} \\\
    -DCMAKE_INSTALL_LIBDIR=%{_libdir} \\\
    -DCMAKE_INSTALL_DO_STRIP=OFF \\\
    -DBUILD_SHARED_LIBS=ON

%cmake_build cmake --build %{__cmake_builddir} %{?_smp_mflags} --verbose
%cmake_install DESTDIR=%{buildroot} cmake --install %{__cmake_builddir}
%ctest ctest --test-dir %{__cmake_builddir} --output-on-failure %{?_smp_mflags}
