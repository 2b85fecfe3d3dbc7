//! The macro that makes types and table rows out of the declaration in `table`.

/// Declares the sections, their settings, and what reads them.
macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])*
        $section:ident in $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident : $type:ty { $($note:ident : $text:literal),* $(,)? }
            )*
        }
    )*) => {
        /// A table of shipit.toml.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Section {
            $( $(#[doc = $section_doc])* $section, )*
        }

        impl Section {
            /// All sections, in the order of the documentation.
            pub const ALL: &'static [Section] = &[$( Section::$section ),*];

            /// The section's name in shipit.toml.
            pub fn name(self) -> &'static str {
                match self {
                    $( Section::$section => stringify!($name), )*
                }
            }

            /// What `--help` writes above the section's flags.
            pub fn heading(self) -> &'static str {
                match self {
                    $( Section::$section => concat!("Settings of [", stringify!($name), "]"), )*
                }
            }

            /// What the section is about.
            pub fn about(self) -> &'static str {
                match self {
                    $( Section::$section => concat!($($section_doc),*).trim_ascii(), )*
                }
            }
        }

        $(
            $(#[doc = $section_doc])*
            #[derive(Debug, Clone, Default, PartialEq)]
            pub struct $section {
                $( $(#[doc = $doc])* pub $field: $type, )*
            }
        )*

        /// What shipit.toml, the environment and the flags say, taken together. A setting that nobody set is `None`
        /// (a table: empty); its default is the business of the stage that it concerns.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Settings {
            $( $(#[doc = $section_doc])* pub $name: $section, )*
            pub(super) origins: super::origin::Origins,
        }

        impl Settings {
            /// Gives the values that were found their types.
            pub(super) fn read(mut found: super::resolve::Found) -> Result<Self, super::error::SettingsError> {
                Ok(Settings {
                    $( $name: $section {
                        $( $field: found.take(Section::$section, stringify!($field))?, )*
                    }, )*
                    origins: found.into_origins(),
                })
            }
        }

        /// The rows of the table, in the order of the documentation.
        pub(super) fn rows() -> Vec<super::setting::Setting> {
            vec![$( $(
                super::setting::Setting::new::<$type>(
                    Section::$section,
                    stringify!($field),
                    concat!($($doc),*).trim_ascii(),
                    {
                        let mut notes = super::setting::Notes::NONE;
                        $( notes.$note = $text; )*
                        notes
                    },
                ),
            )* )*]
        }
    };
}

pub(super) use settings;
