//! Prints the OpenAPI document of the console's API.

#![expect(clippy::print_stdout, reason = "it prints the document")]

fn main() {
    println!("{}", evercount_console::document());
}
